/** Rescheduling a match: when and where it is played, what buyers read, how long they may give tickets back. */
import { useId, useState, type ReactNode } from 'react';
import { useForm } from '../../account/use-form';
import { serverClock } from '../../api';
import type { MatchView } from '../../api/types';
import { timeZoneOf } from '../../data/stadiums';
import { useOperatorText } from '../../i18n/operator';
import { useLocale, useText } from '../../i18n/locale';
import { useMatches, useMatchesAnew } from '../../live/matches';
import { Button } from '../../ui/button';
import { Field } from '../../ui/field';
import { OwnWords } from '../../ui/match-notice';
import { Notice } from '../../ui/panels';
import { useRead, useReadAnew } from '../data';
import { useFigures } from '../figures';
import { ActorName } from '../ui/actor-name';
import { Fact, Facts } from '../ui/facts';
import { Refusal } from '../ui/refusal';
import { Section } from '../ui/section';
import { BuyersFields, BuyersPreview, NO_WORDS } from './buyers-words';
import {
  asBuyersSee,
  buyersTextFrom,
  instantOf,
  isTelling,
  localOf,
  LOCATION_CHARS_MAX,
  POLL_MS,
  rescheduleFrom,
  rescheduleMatch,
  schedule,
  type RescheduleFault,
  type RescheduleForm as Filled,
  type Schedule,
} from './data';
import { PhraseField } from './phrase-field';
import { Progress } from './progress';

export function RescheduleSection({ match }: { readonly match: MatchView }): ReactNode {
  const t = useOperatorText('matches');
  const read = useRead<Schedule>(schedule(match.matchNumber));
  const { data } = read;
  const isCancelled = match.notice?.kind === 'cancelled';
  return (
    <Section
      title={t('rescheduleSection')}
      about={isCancelled ? t('rescheduleCancelled') : t('rescheduleAbout')}
      read={read}
    >
      {data?.change && <Change change={data.change} />}
      {data && isTelling(data) && <Watch matchNumber={match.matchNumber} />}
      {data && !isTelling(data) && !isCancelled && (
        <Prepare key={data.change?.startedAt ?? ''} match={match} found={data} />
      )}
    </Section>
  );
}

/** Reads it again and again while it is there; whoever shows it has the same answers. */
function Watch({ matchNumber }: { readonly matchNumber: number }): ReactNode {
  useRead<Schedule>(schedule(matchNumber), { everyMs: POLL_MS });
  return null;
}

/** In stadium time, and in UTC beside it. */
function Both({ at, location }: { readonly at: string; readonly location: string }): ReactNode {
  const t = useOperatorText('matches');
  const { moment, day, time } = useFigures();
  const zone = timeZoneOf(location);
  return (
    <>
      <time dateTime={at}>{t('dayAndTime', { day: day(at, zone), time: time(at, zone) })}</time>
      {zone !== 'UTC' && <span className="soft small block">{t('utc', { time: moment(at, 'UTC') })}</span>}
    </>
  );
}

function Change({ change }: { readonly change: NonNullable<Schedule['change']> }): ReactNode {
  const t = useOperatorText('matches');
  const { stamp, number } = useFigures();
  const { nameOf } = useLocale();
  const { dateUtc, location, previousDateUtc, previousLocation, message, refundUntil } = change;
  const { startedAt, startedBy, finishedAt, progress } = change;
  return (
    <>
      <div role="status">
        <Notice
          tone={finishedAt === undefined ? 'warn' : 'good'}
          title={finishedAt === undefined ? t('telling') : t('told', { count: progress.mailed })}
        >
          {message && <OwnWords text={message} />}
          <p>
            {t('rescheduledSince', { time: stamp(startedAt) })} <ActorName actor={startedBy} />
          </p>
          {finishedAt === undefined && <p>{t('goesOn')}</p>}
        </Notice>
      </div>
      <Facts>
        <Fact name={t('before')}>
          <Both at={previousDateUtc} location={previousLocation} />
          <span className="block">{nameOf(previousLocation)}</span>
        </Fact>
        <Fact name={t('now')}>
          <Both at={dateUtc} location={location} />
          <span className="block">{nameOf(location)}</span>
        </Fact>
        <Fact name={t('refundUntil')}>
          <Both at={refundUntil} location={location} />
        </Fact>
      </Facts>
      <Progress name={t('progress.mailing')} done={progress.mailed} of={progress.total}>
        {t('progress.mailed', { done: number(progress.mailed), of: number(progress.total) })}
      </Progress>
    </>
  );
}

function Prepare({ match, found }: { readonly match: MatchView; readonly found: Schedule }): ReactNode {
  const t = useOperatorText('matches');
  const [isOpen, setOpen] = useState(false);
  if (isOpen) return <RescheduleForm match={match} found={found} close={() => setOpen(false)} />;
  return (
    <div>
      <Button look="secondary" onClick={() => setOpen(true)}>
        {t('prepareReschedule')}
      </Button>
    </div>
  );
}

/** The field that each fault is about. */
const FIELDS = {
  date: 'local',
  unchanged: 'local',
  location: 'location',
  refund_until: 'refundUntilLocal',
  refund_range: 'refundUntilLocal',
  english: 'en',
} as const satisfies Record<RescheduleFault, string>;
type FieldName = (typeof FIELDS)[RescheduleFault];

function useReschedule(match: MatchView, found: Schedule) {
  const readAnew = useReadAnew();
  const matchesAnew = useMatchesAnew();
  const form = useForm<FieldName>();
  const [filled, setFilled] = useState<Filled>({
    local: localOf(found.dateUtc, timeZoneOf(found.location)),
    location: found.location,
    words: NO_WORDS,
    refundUntilLocal: '',
  });
  const result = rescheduleFrom(filled, { schedule: found, timeZoneOf, now: serverClock.now() });
  const faults = 'faults' in result ? result.faults : [];
  const send = async (): Promise<void> => {
    if (!('order' in result)) return;
    try {
      await rescheduleMatch(match.matchNumber, { phrase: found.phrase, ...result.order });
    } finally {
      // Also after a lost answer: it may have begun.
      matchesAnew();
      await readAnew(schedule(match.matchNumber).path);
    }
  };
  return {
    form,
    filled,
    change: (next: Partial<Filled>, field: FieldName) => {
      setFilled({ ...filled, ...next });
      form.touched(field);
    },
    /** What is wrong with a field, once it was tried. */
    faultOf: (field: FieldName): RescheduleFault | undefined =>
      form.wrong.has(field) ? faults.find((fault) => FIELDS[fault] === field) : undefined,
    submit: (event: Parameters<typeof form.submit>[0]) =>
      form.submit(event, [...new Set(faults.map((fault) => FIELDS[fault]))], send),
  };
}

function RescheduleForm(props: {
  readonly match: MatchView;
  readonly found: Schedule;
  readonly close: () => void;
}): ReactNode {
  const { match, found, close } = props;
  const t = useOperatorText('matches');
  const common = useText('common');
  const { form, filled, change, faultOf, submit } = useReschedule(match, found);
  const [isTyped, setTyped] = useState(false);
  const errorOf = (field: FieldName): string | undefined => {
    const fault = faultOf(field);
    return fault && t(`faults.${fault}`);
  };
  const zone = timeZoneOf(filled.location.trim());
  return (
    <form className="stack match-deed" noValidate onSubmit={submit}>
      <h3>{t('rescheduleTitle')}</h3>
      <p>{t('rescheduleBody', { count: found.sales })}</p>
      <div className="reschedule-fields">
        <Moment
          name="local"
          label={t('newDate')}
          value={filled.local}
          zone={zone}
          error={errorOf('local')}
          onChange={(local) => change({ local }, 'local')}
        />
        <PlaceField
          value={filled.location}
          error={errorOf('location')}
          onChange={(location) => change({ location }, 'location')}
        />
        <Moment
          name="refundUntilLocal"
          label={t('refundUntil')}
          value={filled.refundUntilLocal}
          zone={zone}
          error={errorOf('refundUntilLocal')}
          onChange={(refundUntilLocal) => change({ refundUntilLocal }, 'refundUntilLocal')}
        />
      </div>
      <BuyersFields
        words={filled.words}
        isOptional
        isWrong={faultOf('en') !== undefined}
        onChange={(words) => change({ words }, 'en')}
      />
      <Preview match={match} filled={filled} found={found} />
      <PhraseField phrase={found.phrase} onTyped={setTyped} />
      {form.problem && <Refusal problem={form.problem} />}
      <div className="row">
        <Button type="submit" look="danger" isBusy={form.isBusy} disabled={!isTyped}>
          {t('rescheduleYes')}
        </Button>
        <Button look="secondary" onClick={close}>
          {common('back')}
        </Button>
      </div>
    </form>
  );
}

/** Typed in the time of the stadium; what that is in UTC stands beside it. */
function Moment(props: {
  readonly name: string;
  readonly label: string;
  readonly value: string;
  readonly zone: string;
  readonly error: string | undefined;
  readonly onChange: (value: string) => void;
}): ReactNode {
  const { name, label, value, zone, error, onChange } = props;
  const t = useOperatorText('matches');
  const { moment } = useFigures();
  const at = instantOf(value, zone);
  const hint =
    at === null ? t('stadiumTime', { zone }) : t('stadiumTimeUtc', { zone, time: moment(at, 'UTC') });
  return (
    <Field
      name={name}
      label={label}
      hint={hint}
      error={error}
      type="datetime-local"
      required
      value={value}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

function PlaceField(props: {
  readonly value: string;
  readonly error: string | undefined;
  readonly onChange: (value: string) => void;
}): ReactNode {
  const { value, error, onChange } = props;
  const t = useOperatorText('matches');
  const { matches } = useMatches();
  const list = useId();
  const known = [...new Set((matches ?? []).map(({ location }) => location))].sort();
  return (
    <div>
      <Field
        name="location"
        label={t('place')}
        hint={t('placeHint')}
        error={error}
        dir="auto"
        list={list}
        autoComplete="off"
        maxLength={LOCATION_CHARS_MAX}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
      <datalist id={list}>
        {known.map((location) => (
          <option key={location} value={location} />
        ))}
      </datalist>
    </div>
  );
}

function Preview(props: {
  readonly match: MatchView;
  readonly filled: Filled;
  readonly found: Schedule;
}): ReactNode {
  const { match, filled, found } = props;
  const location = filled.location.trim();
  const zone = timeZoneOf(location);
  const dateUtc = instantOf(filled.local, zone);
  const refundUntil = instantOf(filled.refundUntilLocal, zone);
  const message = buyersTextFrom(filled.words);
  if (dateUtc === null || location === '') return null;
  const moved = { ...match, dateUtc, location };
  return (
    <BuyersPreview
      match={asBuyersSee(moved, {
        kind: 'rescheduled',
        previousDateUtc: found.dateUtc,
        previousLocation: found.location,
        ...(message && { message }),
        ...(refundUntil !== null && { refundUntil }),
      })}
    />
  );
}
