/**
 * The waiting room: asking for a place, where one stands, and the way back when it is one's turn.
 *
 * Guarantees: what is shown is what the server said, moved on by what it tells everybody, and said to be old when no
 * answer comes; nobody is sent anywhere else than to a page of this site, and only from a page they look at.
 */
import { Suspense, useEffect, useRef, useState, type ReactNode } from 'react';
import { useNavigate, useSearchParams } from 'react-router';
import { EmailField } from '../../account/fields';
import { rememberedEmail, rememberEmail } from '../../account/remembered-email';
import { useForm } from '../../account/use-form';
import { isEmail, ownPath } from '../../account/validation';
import { Head } from '../../app/head';
import { useHydrated } from '../../app/environment';
import { useLocale, useText } from '../../i18n/locale';
import { useWaitingText, waitingTexts } from '../../i18n/waiting';
import { Button, ButtonLink } from '../../ui/button';
import { Countdown } from '../../ui/countdown-view';
import { OpensIn } from '../../ui/opens-in';
import { Card, ErrorPanel, Notice } from '../../ui/panels';
import { useSession } from '../../ui/session';
import { Spinner } from '../../ui/spinner';
import { LiveRegion, useToast } from '../../ui/toast';
import { roomKeeper } from '../../waiting-room';
import { minutesOf } from '../../waiting-room/schedule';
import type { Room } from '../../waiting-room/types';
import { useWaiting, type UsedWaiting } from '../../waiting-room/use-waiting';
import type { Standing } from '../../waiting-room/waiting';
import './waiting-room.css';

export default function WaitingRoomPage(): ReactNode {
  const t = useText('pages');
  const isHydrated = useHydrated();
  const title = t('waitingRoom');
  return (
    <div className="content-narrow stack">
      <h1>{title}</h1>
      {isHydrated ? (
        <Suspense fallback={<Spinner />}>
          <waitingTexts.Provider>
            <Inside />
          </waitingTexts.Provider>
        </Suspense>
      ) : (
        <>
          <Head title={title} noIndex />
          <Spinner />
        </>
      )}
    </div>
  );
}

function Inside(): ReactNode {
  const [parameters] = useSearchParams();
  const next = ownPath(parameters.get('next'), '/');
  const waiting = useWaiting();
  const { standing, room, isStale, heardAt } = waiting;
  useWayBack(standing, next);
  return (
    <>
      <Title standing={standing} />
      {isStale && <Stale heardAt={standing.kind === 'loading' ? null : heardAt} />}
      <Where waiting={waiting} next={next} />
      {standing.kind === 'waiting' && !isStale && heardAt !== null && <AsOf at={heardAt} />}
      {(standing.kind === 'before' || standing.kind === 'waiting' || standing.kind === 'none') && (
        <Fair room={room} />
      )}
      <Spoken standing={waiting.spoken} room={room} />
    </>
  );
}

function AsOf({ at }: { readonly at: number }): ReactNode {
  const t = useWaitingText('room');
  const { format } = useLocale();
  return <p className="soft small">{t('asOf', { time: format.clock(at) })}</p>;
}

/** So that a tab in the background tells it too. */
function Title({ standing }: { readonly standing: Standing }): ReactNode {
  const t = useWaitingText('room');
  const page = useText('pages')('waitingRoom');
  const { format } = useLocale();
  const title =
    standing.kind === 'admitted'
      ? t('titleTurn', { page })
      : standing.kind === 'waiting' && standing.position !== null
        ? t('titleWaiting', { page, position: format.number(standing.position) })
        : page;
  return <Head title={title} noIndex />;
}

/** Takes whoever waited here back, as soon as it is their turn and they look at the page. */
function useWayBack(standing: Standing, next: string): void {
  const navigate = useNavigate();
  const t = useWaitingText('room');
  const say = useToast();
  const hasWaited = useRef(false);
  const { kind } = standing;
  const isIn = kind === 'off' || (kind === 'admitted' && standing.endsAt !== null);
  useEffect(() => {
    if (kind === 'before' || kind === 'waiting') hasWaited.current = true;
    if (!isIn || !hasWaited.current || document.visibilityState !== 'visible') return;
    hasWaited.current = false;
    say(kind === 'off' ? t('said.off') : t('said.admitted'));
    void navigate(next, { replace: true });
  }, [kind, isIn, navigate, next, say, t]);
}

function Where({ waiting, next }: { readonly waiting: UsedWaiting; readonly next: string }): ReactNode {
  const t = useWaitingText('room');
  const { standing, room } = waiting;
  switch (standing.kind) {
    case 'loading':
      return <Spinner />;
    case 'off':
      return (
        <Notice tone="good" title={t('offTitle')}>
          <p>{t('off')}</p>
          <GoOn next={next} />
        </Notice>
      );
    case 'none':
      return (
        <>
          <Before room={room} />
          <Ask waiting={waiting} />
        </>
      );
    case 'before':
      return (
        <>
          <Before room={room} />
          <Notice tone="good" title={t('haveTitle')}>
            <p>{t('haveBody')}</p>
          </Notice>
        </>
      );
    case 'waiting':
      return <Waiting position={standing.position} waitSeconds={standing.waitSeconds} room={room} />;
    case 'admitted':
      return standing.endsAt === null ? (
        <Spinner label={t('comes')} />
      ) : (
        <Notice tone="good" title={t('yourTurnTitle')}>
          <p>{t('yourTurn')}</p>
          <Countdown endsAt={standing.endsAt} />
          <GoOn next={next} />
        </Notice>
      );
    case 'ended':
      return (
        <>
          <Notice tone="warn" title={t('endedTitle')}>
            <p>{t('ended')}</p>
          </Notice>
          <Ask waiting={waiting} />
        </>
      );
  }
}

function GoOn({ next }: { readonly next: string }): ReactNode {
  const t = useWaitingText('room');
  return (
    <p>
      <ButtonLink to={next}>{t('goOn')}</ButtonLink>
    </p>
  );
}

/** What the room is about right now, for those who do not stand in it. */
function Before({ room }: { readonly room: Room | null }): ReactNode {
  const t = useWaitingText('room');
  const { format } = useLocale();
  if (!room || room.state === 'off') return null;
  const opensAt = room.state === 'before' && room.opensAt !== undefined ? Date.parse(room.opensAt) : NaN;
  return (
    <Card className="stack room-before">
      <h2>{room.state === 'before' ? t('beforeTitle') : t('openTitle')}</h2>
      {!Number.isNaN(opensAt) && (
        <div>
          <OpensIn at={opensAt} label={t('opensIn')} />
          <p className="soft">{t('opensAt', { moment: format.moment(opensAt) })}</p>
        </div>
      )}
      <Queue room={room} />
    </Card>
  );
}

function Queue({ room }: { readonly room: Room }): ReactNode {
  const t = useWaitingText('room');
  return (
    <p className="soft">
      {t('waitingNow', { count: room.waiting })}{' '}
      {room.state === 'open' && t('perMinute', { count: room.perMinute })}
    </p>
  );
}

function Waiting(props: {
  readonly position: number | null;
  readonly waitSeconds: number | null;
  readonly room: Room | null;
}): ReactNode {
  const { position, waitSeconds, room } = props;
  const t = useWaitingText('room');
  const { format } = useLocale();
  const waitText = useWaitText();
  return (
    <Card className="stack">
      <dl className="room-figures">
        <div>
          <dt>{t('position')}</dt>
          <dd className="room-position">{position === null ? t('drawing') : format.number(position)}</dd>
        </div>
        <div>
          <dt>{t('wait')}</dt>
          <dd>{waitText(waitSeconds)}</dd>
        </div>
      </dl>
      {room && <Queue room={room} />}
      <p>{t('backByItself')}</p>
    </Card>
  );
}

const HOUR_MINUTES = 60;

function useWaitText(): (seconds: number | null) => string {
  const t = useWaitingText('room');
  return (seconds) => {
    if (seconds === null) return t('waitUnknown');
    const minutes = minutesOf(seconds);
    return minutes <= 2 * HOUR_MINUTES
      ? t('waitMinutes', { minutes })
      : t('waitHours', { hours: Math.round(minutes / HOUR_MINUTES) });
  };
}

/** What is true of every room is said before a place is asked for. */
function Fair({ room }: { readonly room: Room | null }): ReactNode {
  const t = useWaitingText('room');
  return (
    <section className="stack room-fair" aria-labelledby="fair">
      <h2 id="fair">{t('fairTitle')}</h2>
      <ul>
        {room?.state === 'before' && <li>{t('fair.random')}</li>}
        <li>{t('fair.one')}</li>
        <li>{t('fair.kept')}</li>
      </ul>
    </section>
  );
}

function Stale({ heardAt }: { readonly heardAt: number | null }): ReactNode {
  const t = useWaitingText('room');
  const { format } = useLocale();
  return (
    <div role="status">
      <Notice tone="warn" title={t('staleTitle')}>
        <p>{heardAt === null ? t('staleNever') : t('stale', { time: format.clock(heardAt) })}</p>
      </Notice>
    </div>
  );
}

type Progress = 'asking' | 'challenge' | 'askingAgain';

function Ask({ waiting }: { readonly waiting: UsedWaiting }): ReactNode {
  const t = useWaitingText('room');
  const who = useSession();
  const form = useForm<'email'>();
  const [email, setEmail] = useState(() => roomKeeper.place?.email ?? rememberedEmail());
  const [progress, setProgress] = useState<Progress>('asking');
  const isGuest = who.kind !== 'account';
  const send = async (): Promise<void> => {
    setProgress('asking');
    const address = email.trim();
    await waiting.ask(isGuest ? address : undefined, (step) =>
      setProgress(step === 'challenge' ? 'challenge' : 'askingAgain'),
    );
    if (isGuest) rememberEmail(address);
  };
  if (who.kind === 'unknown') return <Spinner />;
  return (
    <Card>
      <form
        className="stack"
        noValidate
        onSubmit={(event) => form.submit(event, !isGuest || isEmail(email.trim()) ? [] : ['email'], send)}
      >
        {isGuest ? (
          <EmailField
            value={email}
            isWrong={form.wrong.has('email')}
            hint={t('emailHint')}
            onChange={(value) => {
              setEmail(value);
              form.touched('email');
            }}
          />
        ) : (
          <p>{t('asAccount', { email: who.account.email })}</p>
        )}
        {form.problem && <ErrorPanel problem={form.problem} />}
        <Button type="submit" className="wide" isBusy={form.isBusy}>
          {t('ask')}
        </Button>
        {form.isBusy && (
          <p className="soft" role="status">
            {t(progress)}
          </p>
        )}
      </form>
    </Card>
  );
}

/** Read out when it is worth it (`isWorthSaying`): a number that changes every few seconds is no news. */
function Spoken({ standing, room }: { readonly standing: Standing; readonly room: Room | null }): ReactNode {
  const t = useWaitingText('room');
  const { format } = useLocale();
  const waitText = useWaitText();
  const text = (): string => {
    switch (standing.kind) {
      case 'loading':
      case 'none':
        return '';
      case 'off':
      case 'ended':
      case 'admitted':
        return t(`said.${standing.kind}`);
      case 'before':
        return room?.opensAt === undefined
          ? t('haveTitle')
          : t('said.before', { moment: format.moment(room.opensAt) });
      case 'waiting':
        return standing.position === null
          ? t('said.drawing')
          : t('said.waiting', {
              position: format.number(standing.position),
              wait: waitText(standing.waitSeconds),
            });
    }
  };
  return <LiveRegion>{text()}</LiveRegion>;
}
