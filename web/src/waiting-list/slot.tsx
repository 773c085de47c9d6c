/** Beside a category of which nothing can be had now: joining its waiting list, and where one stands in it. */
import { lazy, Suspense, useState, type ReactNode } from 'react';
import { EmailField } from '../account/fields';
import { rememberedEmail, rememberEmail } from '../account/remembered-email';
import { Unconfirmed } from '../account/unconfirmed';
import { useForm } from '../account/use-form';
import { isEmail } from '../account/validation';
import type { ApiProblem } from '../api';
import type { Category, MatchView } from '../api/types';
import { useText } from '../i18n/locale';
import { useWaitingText, waitingTexts } from '../i18n/waiting';
import { useTerms } from '../ui/terms';
import { Button, ButtonLink } from '../ui/button';
import { ErrorBoundary } from '../ui/error-boundary';
import { Select } from '../ui/field';
import { ErrorPanel, Notice } from '../ui/panels';
import { useSession } from '../ui/session';
import { useToast } from '../ui/toast';
import { useEntries, useJoin } from './data';
import { entryOf, isActive } from './entries';
import type { WaitingEntry } from './types';
import './waiting-list.css';

interface SlotProps {
  readonly match: MatchView;
  readonly category: Category;
}

/** With the dialog that it asks in: loaded by those who are on a list. */
const Leave = lazy(async () => ({ default: (await import('./leave')).Leave }));

export default function WaitingListSlot(props: SlotProps): ReactNode {
  return (
    <waitingTexts.Provider>
      <div className="category-more">
        <Slot {...props} />
      </div>
    </waitingTexts.Provider>
  );
}

function Slot({ match, category }: SlotProps): ReactNode {
  const t = useWaitingText('list');
  const { waitingList } = useTerms();
  const { data, problem } = useEntries();
  const entry = data && entryOf(data, match.matchNumber, category);
  const [isOpen, setOpen] = useState(false);
  if (entry && isActive(entry)) return <Standing entry={entry} isOld={problem !== null} />;
  return (
    <>
      {entry?.status === 'lapsed' && <p className="soft">{t('lapsed')}</p>}
      {isOpen && <Join match={match} category={category} close={() => setOpen(false)} />}
      {!isOpen && waitingList && (
        <Button look="secondary" aria-label={t('joinTitle', { category })} onClick={() => setOpen(true)}>
          {t('join')}
        </Button>
      )}
    </>
  );
}

/** An offer is shown in full above the categories (`offers.tsx`), where this browser knows of it. */
function Standing({ entry, isOld }: { readonly entry: WaitingEntry; readonly isOld: boolean }): ReactNode {
  const t = useWaitingText('list');
  const { status, quantity, position, offer } = entry;
  return (
    <div className="waiting-standing" role="status">
      {status === 'offered' ? (
        <>
          <p className="waiting-what">{t('offeredTitle', { count: quantity })}</p>
          {offer && <ButtonLink to={`/reservations/${offer.reservationId}`}>{t('pay')}</ButtonLink>}
        </>
      ) : (
        <>
          <p className="waiting-what">{t('waiting', { count: quantity })}</p>
          <p>{position === null ? t('positionUnknown') : t('position', { position })}</p>
          <p className="soft">{t('waitingBody')}</p>
        </>
      )}
      {isOld && <p className="soft">{t('stale')}</p>}
      {status === 'waiting' && (
        <ErrorBoundary fallback={null}>
          <Suspense fallback={null}>
            <Leave entry={entry} />
          </Suspense>
        </ErrorBoundary>
      )}
    </div>
  );
}

type Progress = 'working' | 'challenge' | 'askingAgain';

function Join({ match, category, close }: SlotProps & { readonly close: () => void }): ReactNode {
  const t = useWaitingText('list');
  const hold = useText('hold');
  const say = useToast();
  const who = useSession();
  const join = useJoin();
  const form = useForm<'email'>();
  const { ticketsPerReservationMax: max } = useTerms();
  const [quantity, setQuantity] = useState(1);
  const [email, setEmail] = useState(() => rememberedEmail());
  const [progress, setProgress] = useState<Progress>('working');
  const isGuest = who.kind !== 'account';
  const address = email.trim();
  const { matchNumber } = match;
  const send = async (): Promise<void> => {
    setProgress('working');
    const wanted = { matchNumber, category, quantity, ...(isGuest && { email: address }) };
    await join(wanted, (step) => setProgress(step === 'challenge' ? 'challenge' : 'askingAgain'));
    if (isGuest) rememberEmail(address);
    say(t('joined'));
  };
  return (
    <form
      className="stack waiting-join"
      noValidate
      aria-label={t('joinTitle', { category })}
      onSubmit={(event) => form.submit(event, !isGuest || isEmail(address) ? [] : ['email'], send)}
    >
      <p>{t('joinBody')}</p>
      <Select
        label={t('quantity')}
        value={quantity}
        onChange={(event) => setQuantity(Number(event.target.value))}
      >
        {Array.from({ length: max }, (_, index) => index + 1).map((count) => (
          <option key={count} value={count}>
            {t('tickets', { count })}
          </option>
        ))}
      </Select>
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
        <p className="soft">{t('asAccount', { email: who.account.email })}</p>
      )}
      {form.problem && <Refused problem={form.problem} email={address} />}
      <div className="row">
        <Button type="submit" isBusy={form.isBusy}>
          {t('yes')}
        </Button>
        <Button look="quiet" onClick={close}>
          {t('close')}
        </Button>
      </div>
      {form.isBusy && (
        <p className="soft" role="status">
          {progress === 'working' ? t('working') : hold(progress)}
        </p>
      )}
    </form>
  );
}

function Refused({ problem, email }: { readonly problem: ApiProblem; readonly email: string }): ReactNode {
  const t = useWaitingText('list');
  switch (problem.code) {
    case 'already_waiting':
      return (
        <Notice tone="info" isUrgent>
          <p>{t('already')}</p>
        </Notice>
      );
    case 'available_now':
      return (
        <Notice tone="good" isUrgent>
          <p>{t('availableNow')}</p>
        </Notice>
      );
    case 'email_unconfirmed':
      return <Unconfirmed email={email} />;
    default:
      return <ErrorPanel problem={problem} />;
  }
}
