/**
 * Asks for a hold and goes to it.
 *
 * Guarantees: nothing is called held before the server said so; pressing again after a lost answer, a reload or
 * the back button asks for the same hold and not for another; every refusal says what it means and what to do next.
 */
import { lazy, Suspense, useRef, useState, type ReactNode, type SyntheticEvent } from 'react';
import { useLocation, useNavigate } from 'react-router';
import { rememberedEmail, rememberEmail } from '../../account/remembered-email';
import { Unconfirmed } from '../../account/unconfirmed';
import { api, ApiProblem, asProblem, intents, reservationTokens } from '../../api';
import { tabStorage } from '../../api/storage';
import type { Category, CategoryView, HeldReservation, MatchView } from '../../api/types';
import { canBeHeld, standingIn } from '../../data/availability';
import { buyersTextOf, toldOf } from '../../data/notices';
import { CODE_CHARS_MAX, codeFor, phaseFor } from '../../data/sale';
import { useLocale, useText } from '../../i18n/locale';
import { Button, ButtonLink } from '../../ui/button';
import { ErrorBoundary } from '../../ui/error-boundary';
import { Field } from '../../ui/field';
import { OwnWords } from '../../ui/match-notice';
import { ErrorPanel, Notice } from '../../ui/panels';
import { useSession } from '../../ui/session';
import { useTerms } from '../../ui/terms';
import { LiveRegion, useToast } from '../../ui/toast';
import { Money } from '../../ui/time';
import { passHeaders, roomKeeper } from '../../waiting-room';
import { roomPath, useGate } from '../../waiting-room/use-gate';
import {
  canBeEmail,
  chosenIn,
  EMAIL_CHARS_MAX,
  pathOf,
  perReservationMax,
  quantityMax,
  withinLimit,
} from './hold-rules';
import { PhaseMoment, useCountryNames } from './sale-notes';

const INTENT = 'hold';
/** The code of a presale, for as long as the tab is open. */
const CODE_KEY = 'ticktak.access-code';

const RoomGate = lazy(() => import('../../waiting-room/gate'));

type Progress = 'idle' | 'working' | 'challenge' | 'askingAgain';

export interface HoldFormProps {
  readonly match: MatchView;
  readonly category: Category | null;
  readonly view: CategoryView | null;
}

export function HoldForm({ match, category, view }: HoldFormProps): ReactNode {
  const t = useText('hold');
  const who = useSession();
  const { search } = useLocation();
  const [wanted, setWanted] = useState(() => chosenIn(search).quantity);
  const [email, setEmail] = useState(() => rememberedEmail());
  const [emailError, setEmailError] = useState<string>();
  const emailField = useRef<HTMLDivElement>(null);
  const codeField = useRef<HTMLDivElement>(null);
  const { problem, progress, hold } = useHold();
  const asked = codeFor(view);
  const code = useCode(asked === 'none' && isAboutCode(problem) ? 'required' : asked);
  const terms = useTerms();
  const gate = useGate();
  const isGuest = who.kind !== 'account';
  const phase = phaseFor(view, code.isGiven);
  const limit = perReservationMax(phase, terms.ticketsPerReservationMax);
  const max = view ? quantityMax(view, limit) : limit;
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
        : standing === 'closed' || standing === 'not_yet'
          ? t(standing === 'closed' ? 'closed' : 'notYet')
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
    if (!code.isReady()) {
      codeField.current?.querySelector('input')?.focus();
      return;
    }
    void hold({
      matchNumber: match.matchNumber,
      category,
      quantity,
      ...(isGuest && { email: email.trim() }),
      ...(code.isGiven && { accessCode: code.value.trim() }),
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
  const gateNotice = (gate.room ?? gate.pass) && (
    <ErrorBoundary fallback={<RoomWithout next={pathOf(match.matchNumber, { category, quantity })} />}>
      <Suspense fallback={null}>
        <RoomGate gate={gate} next={pathOf(match.matchNumber, { category, quantity })} />
      </Suspense>
    </ErrorBoundary>
  );
  if (gate.room && !gate.pass) return gateNotice;
  return (
    <form className="hold stack" onSubmit={submit} noValidate aria-label={t('title')}>
      {gate.room && gateNotice}
      <Quantity
        value={quantity}
        max={max}
        limit={limit}
        perPerson={phase?.ticketsPerPersonMax}
        onChange={setWanted}
      />
      {code.asked !== 'none' && (
        <div ref={codeField}>
          <CodeField code={code} isRefused={progress === 'idle' && problem?.code === 'access_code_invalid'} />
        </div>
      )}
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
      {problem && <HoldProblem problem={problem} email={email.trim()} location={match.location} />}
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

/** Where what tells more of it could not be loaded: there is a way on all the same. */
function RoomWithout({ next }: { readonly next: string }): ReactNode {
  const t = useText('problems.waiting_room');
  const pages = useText('pages');
  return (
    <Notice tone="warn" title={t('title')}>
      <p>{t('body')}</p>
      <p>
        <ButtonLink to={roomPath(next)}>{pages('waitingRoom')}</ButtonLink>
      </p>
    </Notice>
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

/** The presale may have begun since the page was read. */
const isAboutCode = (problem: ApiProblem | null): boolean =>
  problem?.code === 'access_code_required' || problem?.code === 'access_code_invalid';

interface Code {
  readonly asked: ReturnType<typeof codeFor>;
  /** Whether one goes along. */
  readonly isGiven: boolean;
  readonly value: string;
  readonly isMissing: boolean;
  readonly change: (value: string) => void;
  /** Whether the form can be sent; if not, the field says why. */
  readonly isReady: () => boolean;
}

/** One for all matches: it is typed once in a visit. */
function useCode(asked: Code['asked']): Code {
  const [value, setValue] = useState(() =>
    typeof window === 'undefined' ? '' : (tabStorage.get(CODE_KEY) ?? ''),
  );
  const [isMissing, setMissing] = useState(false);
  const isGiven = asked !== 'none' && value.trim() !== '';
  return {
    asked,
    isGiven,
    value,
    isMissing,
    change: (typed) => {
      setValue(typed);
      setMissing(false);
      tabStorage.set(CODE_KEY, typed);
    },
    isReady: () => {
      const isThere = asked !== 'required' || isGiven;
      setMissing(!isThere);
      return isThere;
    },
  };
}

function CodeField({ code, isRefused }: { readonly code: Code; readonly isRefused: boolean }): ReactNode {
  const t = useText('hold');
  const common = useText('common');
  return (
    <Field
      label={code.asked === 'optional' ? `${t('code')} (${common('optional')})` : t('code')}
      hint={t('codeHint')}
      error={code.isMissing ? t('codeMissing') : isRefused ? t('codeWrong') : undefined}
      name="accessCode"
      autoComplete="off"
      autoCapitalize="characters"
      spellCheck={false}
      dir="ltr"
      required={code.asked === 'required'}
      maxLength={CODE_CHARS_MAX}
      value={code.value}
      onChange={(event) => code.change(event.target.value)}
    />
  );
}

interface HoldBody {
  readonly matchNumber: number;
  readonly category: Category;
  readonly quantity: number;
  readonly email?: string;
  readonly accessCode?: string;
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
    const headers = passHeaders();
    try {
      const held = await api.send<HeldReservation>({
        method: 'POST',
        path: '/reservations',
        body,
        headers,
        key: intents.keyOf(INTENT, body),
        onProgress: (step) => setProgress(step === 'challenge' ? 'challenge' : 'askingAgain'),
      });
      intents.end(INTENT);
      reservationTokens.set(held.id, held.token);
      if (body.email !== undefined) rememberEmail(body.email);
      say(t('held', { count: held.quantity }));
      await navigate(`/reservations/${held.id}`);
    } catch (error) {
      const refused = asProblem(error);
      // A refusal is remembered under its key: the next try is another one.
      if (!refused.isOutcomeUnknown) intents.end(INTENT);
      if (refused.code === 'waiting_room') {
        // A pass that was refused would be offered again and again.
        if (Object.keys(headers).length > 0) roomKeeper.forget();
        if (body.email !== undefined) rememberEmail(body.email);
        await navigate(roomPath(pathOf(body.matchNumber, body)));
        return;
      }
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
  location,
}: {
  readonly problem: ApiProblem;
  readonly email: string;
  readonly location: string;
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
        <p>{t(problem.members['of'] === 'code' ? 'limitOfCode' : 'limit', { limit, owned: owned ?? 0 })}</p>
      </Notice>
    );
  }
  if (problem.code === 'sales_paused') return <Paused problem={problem} />;
  if (problem.code === 'not_on_sale' || problem.code === 'country_not_allowed') {
    return <OutOfPhase problem={problem} location={location} />;
  }
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

/** With what the server told of it: when, or for whom. */
function OutOfPhase({
  problem,
  location,
}: {
  readonly problem: ApiProblem;
  readonly location: string;
}): ReactNode {
  const t = useText('sale');
  const countryNames = useCountryNames();
  const { opensAt, countries } = problem;
  return (
    <ErrorPanel problem={problem}>
      {problem.code === 'not_on_sale' && opensAt !== undefined && (
        <p>
          <PhaseMoment at={opensAt} location={location}>
            {(moment) => t('opensAt', { moment })}
          </PhaseMoment>
        </p>
      )}
      {problem.code === 'country_not_allowed' && countries.length > 0 && (
        <p suppressHydrationWarning>{t('forCountries', { countries: countryNames(countries) })}</p>
      )}
    </ErrorPanel>
  );
}

function Quantity(props: {
  readonly value: number;
  readonly max: number;
  readonly limit: number;
  readonly perPerson: number | undefined;
  readonly onChange: (quantity: number) => void;
}): ReactNode {
  const { value, max, limit, perPerson, onChange } = props;
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
      <p className="field-hint">
        {t('quantityHint', { limit })}
        {perPerson !== undefined && ` ${t('perPerson', { limit: perPerson })}`}
      </p>
    </div>
  );
}
