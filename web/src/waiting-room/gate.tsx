/** In the place of a form that holds tickets while there is a waiting room, and beside it for whoever was let in. */
import type { ReactNode } from 'react';
import { useLocale } from '../i18n/locale';
import { useWaitingText, waitingTexts } from '../i18n/waiting';
import { ButtonLink } from '../ui/button';
import { Countdown } from '../ui/countdown-view';
import { Notice } from '../ui/panels';
import { roomKeeper } from './index';
import { roomPath, type Gate } from './use-gate';

export default function RoomGate(props: { readonly gate: Gate; readonly next: string }): ReactNode {
  return (
    <waitingTexts.Provider>
      <Shown {...props} />
    </waitingTexts.Provider>
  );
}

function Shown({ gate, next }: { readonly gate: Gate; readonly next: string }): ReactNode {
  const t = useWaitingText('room');
  const { format } = useLocale();
  const { room, pass, hasPlace } = gate;
  if (pass) {
    const email = roomKeeper.place?.email;
    const time = format.time(pass.endsAt);
    return (
      <Notice tone="good">
        <p>{email === undefined ? t('inside', { time }) : t('insideFor', { time, email })}</p>
        <Countdown endsAt={pass.endsAt} />
      </Notice>
    );
  }
  if (!room) return null;
  return (
    <Notice tone="warn" title={t('gateTitle')}>
      <p>{hasPlace ? t('gateHave') : room.state === 'before' ? t('gateBefore') : t('gateOpen')}</p>
      <p>
        <ButtonLink to={roomPath(next)}>{t('gateGo')}</ButtonLink>
      </p>
    </Notice>
  );
}
