/**
 * Asks for a hold and goes to it.
 *
 * Guarantees: nothing is called held before the server said so; pressing again after a lost answer, a reload or
 * the back button asks for the same hold and not for another; every refusal says what it means and what to do next.
 */
import { useQuery } from '@tanstack/react-query';
import { useRef, useState, type ReactNode, type SyntheticEvent } from 'react';
import { useNavigate } from 'react-router';
import { api, ApiProblem, asProblem, intents, reservationTokens } from '../../api';
import { browserStorage } from '../../api/storage';
import type { Category, CategoryView, HeldReservation, MatchView } from '../../api/types';
import { canBeHeld, standingIn } from '../../data/availability';
import { buyersTextOf, toldOf } from '../../data/notices';
import { useLocale, useText } from '../../i18n/locale';
import { Button, ButtonLink } from '../../ui/button';
import { Field } from '../../ui/field';
import { OwnWords } from '../../ui/match-notice';
import { ErrorPanel, Notice } from '../../ui/panels';
import { useSession } from '../../ui/session';
import { LiveRegion, useToast } from '../../ui/toast';
import { Money } from '../../ui/time';
import { canBeEmail, EMAIL_CHARS_MAX, QUANTITY_MAX, quantityMax, withinLimit } from './hold-rules';

const INTENT = 'hold';
const EMAIL_KEY = 'ticktak.email';

interface Terms {
  readonly ticketsPerReservationMax: number;
  readonly guests: boolean;
}

type Progress = 'idle' | 'working' | 'challenge' | 'askingAgain';

export interface HoldFormProps {
  readonly match: MatchView;
  readonly category: Category | null;
  readonly view: CategoryView | null;
}

export function HoldForm({ match, category, view }: HoldFormProps): ReactNode {
  const t = useText('hold');
  const who = useSession();
  const [wanted, setWanted] = useState(1);
  const [email, setEmail] = useState(() => rememberedEmail());
  const [emailError, setEmailError] = useState<string>();
  const emailField = useRef<HTMLDivElement>(null);
  const { problem, progress, hold } = useHold();
  const terms = useTerms();
  const isGuest = who.kind !== 'account';
  const max = view ? quantityMax(view, terms.ticketsPerReservationMax) : terms.ticketsPerReservationMax;
  const quantity = withinLimit(wanted, max);
  const canHold = category !== null && view !== null && canBeHeld(match, category);
  const standing = category === null ? null : standingIn(match, category);
  const isPaused = standing === 'paused' || (standing === null && toldOf(match)?.isAllPaused === true);
  const hint = canHold
    ? t('submitHint')
    : isPaused
      ? t('paused')
      : standing === null
        ? t('chooseFirst')
        : standing === 'closed'
          ? t('closed')
          : '';
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (category === null || !canHold || progress !== 'idle') return;
    if (isGuest && !canBeEmail(email)) {
      setEmailError(t('emailInvalid'));
      emailField.current?.querySelector('input')?.focus();
      return;
    }
    setEmailError(undefined);
    void hold({
      matchNumber: match.matchNumber,
      category,
      quantity,
      ...(isGuest && { email: email.trim() }),
    });
  };
  if (match.notice?.kind === 'cancelled') {
    return (
      <Notice tone="bad" title={t('cancelledTitle')}>
        <p>{t('cancelledBody')}</p>
      </Notice>
    );
  }
  if (isGuest && !terms.guests) {
    return (
      <Notice tone="info" title={t('loginNeeded')}>
        <LogIn />
      </Notice>
    );
  }
  return (
    <form className="hold stack" onSubmit={submit} noValidate aria-label={t('title')}>
      <Quantity value={quantity} max={max} limit={terms.ticketsPerReservationMax} onChange={setWanted} />
      {who.kind === 'account' ? (
        <p className="soft">{t('asAccount', { email: who.account.email })}</p>
      ) : (
        <div ref={emailField}>
          <Field
            label={t('email')}
            hint={t('emailHint')}
            error={emailError}
            type="email"
            name="email"
            autoComplete="email"
            inputMode="email"
            dir="ltr"
            required
            maxLength={EMAIL_CHARS_MAX}
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        </div>
      )}
      {view && (
        <p className="hold-total">
          <span>{t('total')}</span>
          <strong>
            <Money amount={view.price * quantity} currency={match.currency} />
          </strong>
        </p>
      )}
      {problem && <HoldProblem problem={problem} email={email.trim()} />}
      <Button type="submit" isBusy={progress !== 'idle'} disabled={!canHold} className="hold-submit">
        {t('submit')}
      </Button>
      <p className="field-hint" role="status">
        {hint}
      </p>
      {progress !== 'idle' && <p className="soft">{t(progress)}</p>}
      <LiveRegion>{progress === 'idle' ? '' : t(progress)}</LiveRegion>
    </form>
  );
}

function LogIn(): ReactNode {
  const t = useText('nav');
  return (
    <p>
      <ButtonLink to="/login">{t('login')}</ButtonLink>
    </p>
  );
}

function useTerms(): Terms {
  const { data } = useQuery({
    queryKey: ['terms'],
    staleTime: Infinity,
    enabled: typeof window !== 'undefined',
    queryFn: ({ signal }) => api.send<Terms>({ path: '/reservations/terms', auth: 'none', signal }),
  });
  return data ?? { ticketsPerReservationMax: QUANTITY_MAX, guests: true };
}

/** A convenience on this device: the address last bought with. */
function rememberedEmail(): string {
  return typeof window === 'undefined' ? '' : (browserStorage.get(EMAIL_KEY) ?? '');
}

interface HoldBody {
  readonly matchNumber: number;
  readonly category: Category;
  readonly quantity: number;
  readonly email?: string;
}

function useHold() {
  const t = useText('hold');
  const navigate = useNavigate();
  const say = useToast();
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [progress, setProgress] = useState<Progress>('idle');
  const hold = async (body: HoldBody): Promise<void> => {
    setProblem(null);
    setProgress('working');
    try {
      const held = await api.send<HeldReservation>({
        method: 'POST',
        path: '/reservations',
        body,
        key: intents.keyOf(INTENT, body),
        onProgress: (step) => setProgress(step === 'challenge' ? 'challenge' : 'askingAgain'),
      });
      intents.end(INTENT);
      reservationTokens.set(held.id, held.token);
      if (body.email !== undefined) browserStorage.set(EMAIL_KEY, body.email);
      say(t('held', { count: held.quantity }));
      await navigate(`/reservations/${held.id}`);
    } catch (error) {
      const refused = asProblem(error);
      // A refusal is remembered under its key: the next try is another one.
      if (!refused.isOutcomeUnknown) intents.end(INTENT);
      setProblem(refused);
    } finally {
      setProgress('idle');
    }
  };
  return { problem, progress, hold };
}

function HoldProblem({
  problem,
  email,
}: {
  readonly problem: ApiProblem;
  readonly email: string;
}): ReactNode {
  const t = useText('hold');
  const { remaining, limit, owned } = problem;
  if (problem.code === 'temporarily_unavailable' && remaining !== undefined && remaining > 0) {
    return (
      <Notice tone="warn" title={t('temporarily')} isUrgent>
        <p>{t('fewerLeft', { count: remaining })}</p>
      </Notice>
    );
  }
  if (problem.code === 'purchase_limit' && limit !== undefined) {
    return (
      <Notice tone="warn" isUrgent>
        <p>{t('limit', { limit, owned: owned ?? 0 })}</p>
      </Notice>
    );
  }
  if (problem.code === 'sales_paused') return <Paused problem={problem} />;
  if (problem.code === 'email_unconfirmed') return <Unconfirmed email={email} />;
  if (problem.isOutcomeUnknown) {
    return (
      <Notice tone="warn" title={t('unknownTitle')} isUrgent>
        <p>{t('unknown')}</p>
      </Notice>
    );
  }
  return <ErrorPanel problem={problem}>{problem.code === 'unauthorized' && <LogIn />}</ErrorPanel>;
}

function Paused({ problem }: { readonly problem: ApiProblem }): ReactNode {
  const t = useText('problems.sales_paused');
  const text = buyersTextOf(problem.buyersText);
  return (
    <Notice tone="warn" title={t('title')} isUrgent>
      {text && <OwnWords text={text} />}
      <p>{t('body')}</p>
    </Notice>
  );
}

function Unconfirmed({ email }: { readonly email: string }): ReactNode {
  const t = useText('hold');
  const [state, setState] = useState<'idle' | 'working' | 'sent'>('idle');
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const send = async (): Promise<void> => {
    setState('working');
    setProblem(null);
    try {
      await api.send({ method: 'POST', path: '/email-confirmations', body: { email } });
      setState('sent');
    } catch (error) {
      setProblem(asProblem(error));
      setState('idle');
    }
  };
  return (
    <Notice tone="warn" title={t('unconfirmedTitle')} isUrgent>
      <p>{state === 'sent' ? t('confirmationSent', { email }) : t('unconfirmed', { email })}</p>
      {problem && <ErrorPanel problem={problem} />}
      {state !== 'sent' && (
        <p>
          <Button look="secondary" isBusy={state === 'working'} onClick={() => void send()}>
            {t('sendConfirmation')}
          </Button>
        </p>
      )}
    </Notice>
  );
}

function Quantity(props: {
  readonly value: number;
  readonly max: number;
  readonly limit: number;
  readonly onChange: (quantity: number) => void;
}): ReactNode {
  const { value, max, limit, onChange } = props;
  const t = useText('hold');
  const { format } = useLocale();
  return (
    <div className="field" role="group" aria-label={t('quantity')}>
      <span className="field-label">{t('quantity')}</span>
      <div className="quantity">
        <button
          type="button"
          className="quantity-step"
          aria-label={t('fewer')}
          disabled={value <= 1}
          onClick={() => onChange(value - 1)}
        >
          −
        </button>
        <output className="quantity-value" aria-live="polite">
          {format.number(value)}
        </output>
        <button
          type="button"
          className="quantity-step"
          aria-label={t('more')}
          disabled={value >= max}
          onClick={() => onChange(value + 1)}
        >
          +
        </button>
      </div>
      <p className="field-hint">{t('quantityHint', { limit })}</p>
    </div>
  );
}
