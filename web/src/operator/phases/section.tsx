/**
 * Sale phases of a match, category by category.
 *
 * Guarantees: what is on is shown before it is changed; all phases of a category are replaced at once, after a
 * question that says what buyers will find; codes that are not typed anew stay as they are.
 */
import { useId, useState, type ReactNode, type SyntheticEvent } from 'react';
import { newKey } from '../../api/intents';
import { CATEGORIES, type Category, type MatchView } from '../../api/types';
import { timeZoneOf } from '../../data/stadiums';
import { useOperatorText } from '../../i18n/operator';
import { useText } from '../../i18n/locale';
import { useMatchesAnew } from '../../live/matches';
import { Button } from '../../ui/button';
import { Field, Select } from '../../ui/field';
import { NumberField } from '../ui/number-field';
import { Notice } from '../../ui/panels';
import { useToast } from '../../ui/toast';
import { useRead, useReadAnew } from '../data';
import { useFigures } from '../figures';
import { instantOf } from '../matches/data';
import { ConfirmDialog } from '../ui/confirm-dialog';
import { Section } from '../ui/section';
import {
  ACCESS_KINDS,
  codesOf,
  formOf,
  newPhaseForm,
  PHASE_NAME_CHARS_MAX,
  PHASES_MAX,
  phasesFrom,
  phasesQuestion,
  replacePhases,
  type NewPhase,
  type Phase,
  type PhaseFault,
  type PhaseForm,
  type Phases,
} from './data';
import './phases.css';

export function PhasesSection({ match }: { readonly match: MatchView }): ReactNode {
  const t = useOperatorText('phases');
  const matches = useText('matches');
  const [category, setCategory] = useState<Category>(1);
  const read = useRead<Phases>(phasesQuestion(match.matchNumber, category));
  const isOfThis = read.data !== null && !read.isOfBefore;
  return (
    <Section title={t('title')} about={t('about')} read={read}>
      <div className="operator-filters">
        <Select
          label={t('category')}
          value={category}
          onChange={({ target }) => setCategory(CATEGORIES.find((one) => String(one) === target.value) ?? 1)}
        >
          {CATEGORIES.map((one) => (
            <option key={one} value={one}>
              {matches('category', { category: one })}
            </option>
          ))}
        </Select>
      </div>
      {isOfThis && read.data && (
        <OfCategory key={category} match={match} category={category} phases={read.data.phases} />
      )}
    </Section>
  );
}

interface OfCategoryProps {
  readonly match: MatchView;
  readonly category: Category;
  readonly phases: readonly Phase[];
}

function OfCategory({ match, category, phases }: OfCategoryProps): ReactNode {
  const t = useOperatorText('phases');
  const [isOpen, setOpen] = useState(false);
  if (isOpen) return <Edit match={match} category={category} phases={phases} close={() => setOpen(false)} />;
  return (
    <>
      {phases.length === 0 ? (
        <p className="operator-empty soft">{t('none')}</p>
      ) : (
        <ol className="phases">
          {phases.map((phase) => (
            <li key={phase.name}>
              <Shown phase={phase} location={match.location} />
            </li>
          ))}
        </ol>
      )}
      <div>
        <Button look="secondary" onClick={() => setOpen(true)}>
          {phases.length === 0 ? t('begin') : t('edit')}
        </Button>
      </div>
    </>
  );
}

function Shown({ phase, location }: { readonly phase: Phase; readonly location: string }): ReactNode {
  const t = useOperatorText('phases');
  const { moment, number } = useFigures();
  const zone = timeZoneOf(location);
  const { name, opensAt, closesAt, access } = phase;
  const { ticketsPerPersonMax, ticketsPerReservationMax, ticketsPerCodeMax } = phase;
  const span =
    closesAt === undefined
      ? t('spanOpen', { from: moment(opensAt, zone) })
      : t('span', { from: moment(opensAt, zone), to: moment(closesAt, zone) });
  return (
    <>
      <strong dir="auto">{name}</strong>
      <span>{span}</span>
      <span className="soft">
        {access.kind === 'open'
          ? t('kinds.open')
          : access.kind === 'code'
            ? t('codeCount', { count: access.codeCount })
            : t('countriesAre', { countries: access.countries.join(', ') })}
        {ticketsPerPersonMax !== undefined && ` · ${t('perPersonIs', { max: number(ticketsPerPersonMax) })}`}
        {ticketsPerReservationMax !== undefined &&
          ` · ${t('perReservationIs', { max: number(ticketsPerReservationMax) })}`}
        {ticketsPerCodeMax !== undefined && ` · ${t('perCodeIs', { max: number(ticketsPerCodeMax) })}`}
      </span>
    </>
  );
}

function Edit(props: OfCategoryProps & { readonly close: () => void }): ReactNode {
  const { match, category, phases, close } = props;
  const t = useOperatorText('phases');
  const common = useText('common');
  const zone = timeZoneOf(match.location);
  const [forms, setForms] = useState<readonly PhaseForm[]>(() =>
    phases.length === 0 ? [newPhaseForm(newKey())] : phases.map((phase) => formOf(phase, newKey(), zone)),
  );
  const [isTried, setTried] = useState(false);
  const [asked, setAsked] = useState<readonly NewPhase[] | null>(null);
  const result = phasesFrom(forms, zone);
  const faults = isTried && 'faults' in result ? result.faults : null;
  const submit = (event: SyntheticEvent<HTMLFormElement>): void => {
    event.preventDefault();
    setTried(true);
    if ('phases' in result) setAsked(result.phases);
    else focusFirst(event.currentTarget, result.faults.keys().next().value);
  };
  const change = (key: string, next: Partial<PhaseForm>): void =>
    setForms(forms.map((form) => (form.key === key ? { ...form, ...next } : form)));
  return (
    <form className="stack" noValidate onSubmit={submit}>
      {forms.map((form, index) => (
        <OnePhase
          key={form.key}
          form={form}
          number={index + 1}
          zone={zone}
          faults={faults?.get(form.key) ?? NO_FAULTS}
          onChange={(next) => change(form.key, next)}
          onRemove={() => setForms(forms.filter(({ key }) => key !== form.key))}
        />
      ))}
      {forms.length === 0 && <p className="soft">{t('noneLeft')}</p>}
      {faults && (
        <Notice tone="bad" isUrgent>
          <p>{t('wrong')}</p>
        </Notice>
      )}
      <div className="row">
        <Button
          look="secondary"
          disabled={forms.length >= PHASES_MAX}
          onClick={() => setForms([...forms, newPhaseForm(newKey())])}
        >
          {t('add')}
        </Button>
        <Button type="submit">{t('save')}</Button>
        <Button look="quiet" onClick={close}>
          {common('back')}
        </Button>
      </div>
      {asked && (
        <Confirm
          match={match}
          category={category}
          phases={asked}
          close={() => setAsked(null)}
          onSaved={close}
        />
      )}
    </form>
  );
}

const NO_FAULTS: ReadonlySet<PhaseFault> = new Set();

function focusFirst(form: HTMLFormElement, key: string | undefined): void {
  form.querySelector<HTMLElement>(`[data-phase="${key ?? ''}"] input`)?.focus();
}

function OnePhase(props: {
  readonly form: PhaseForm;
  readonly number: number;
  readonly zone: string;
  readonly faults: ReadonlySet<PhaseFault>;
  readonly onChange: (next: Partial<PhaseForm>) => void;
  readonly onRemove: () => void;
}): ReactNode {
  const { form, number, zone, faults, onChange, onRemove } = props;
  const t = useOperatorText('phases');
  const { moment } = useFigures();
  const error = (...about: readonly PhaseFault[]): string | undefined => {
    const fault = about.find((one) => faults.has(one));
    return fault && t(`faults.${fault}`);
  };
  const inUtc = (local: string): string => {
    const at = instantOf(local, zone);
    return at === null ? t('zone', { zone }) : t('zoneUtc', { zone, time: moment(at, 'UTC') });
  };
  return (
    <fieldset className="phase" data-phase={form.key}>
      <legend>{t('number', { number })}</legend>
      <div className="operator-filters operator-filters-wide">
        <Field
          label={t('name')}
          hint={t('nameHint')}
          error={error('name', 'name_twice')}
          dir="auto"
          autoComplete="off"
          maxLength={PHASE_NAME_CHARS_MAX}
          value={form.name}
          onChange={(event) => onChange({ name: event.target.value })}
        />
        <Field
          label={t('opens')}
          hint={inUtc(form.opensLocal)}
          error={error('opens', 'overlap')}
          type="datetime-local"
          value={form.opensLocal}
          onChange={(event) => onChange({ opensLocal: event.target.value })}
        />
        <Field
          label={t('closes')}
          hint={form.closesLocal === '' ? t('closesHint') : inUtc(form.closesLocal)}
          error={error('closes', 'order')}
          type="datetime-local"
          value={form.closesLocal}
          onChange={(event) => onChange({ closesLocal: event.target.value })}
        />
        <Select
          label={t('access')}
          value={form.access}
          onChange={({ target }) =>
            onChange({ access: ACCESS_KINDS.find((one) => one === target.value) ?? 'open' })
          }
        >
          {ACCESS_KINDS.map((kind) => (
            <option key={kind} value={kind}>
              {t(`kinds.${kind}`)}
            </option>
          ))}
        </Select>
        <NumberField
          label={t('perPerson')}
          hint={t('limitHint')}
          error={error('per_person')}
          maxLength={3}
          value={form.perPerson}
          onChange={(event) => onChange({ perPerson: event.target.value })}
        />
        <NumberField
          label={t('perReservation')}
          hint={t('limitHint')}
          error={error('per_reservation')}
          maxLength={3}
          value={form.perReservation}
          onChange={(event) => onChange({ perReservation: event.target.value })}
        />
      </div>
      {form.access === 'code' && (
        <>
          <Codes form={form} error={error('codes', 'codes_many', 'codes_missing')} onChange={onChange} />
          <NumberField
            label={t('perCode')}
            hint={t('perCodeHint')}
            error={error('per_code')}
            maxLength={3}
            value={form.perCode}
            onChange={(event) => onChange({ perCode: event.target.value })}
          />
        </>
      )}
      {form.access === 'country' && (
        <Field
          label={t('countries')}
          hint={t('countriesHint')}
          error={error('countries')}
          dir="ltr"
          autoComplete="off"
          autoCapitalize="characters"
          spellCheck={false}
          value={form.countries}
          onChange={(event) => onChange({ countries: event.target.value })}
        />
      )}
      <div>
        <Button look="quiet" onClick={onRemove} aria-label={t('removeOf', { number })}>
          {t('remove')}
        </Button>
      </div>
    </fieldset>
  );
}

function Codes(props: {
  readonly form: PhaseForm;
  readonly error: string | undefined;
  readonly onChange: (next: Partial<PhaseForm>) => void;
}): ReactNode {
  const { form, error, onChange } = props;
  const t = useOperatorText('phases');
  const id = useId();
  const count = codesOf(form.codes).length;
  const kept = form.codeCount > 0 && form.codesName === form.name.trim() ? form.codeCount : 0;
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        {t('codes')}
      </label>
      <textarea
        id={id}
        className="field-input mono"
        dir="ltr"
        rows={4}
        spellCheck={false}
        autoComplete="off"
        value={form.codes}
        aria-invalid={error !== undefined || undefined}
        aria-describedby={error === undefined ? `${id}-hint` : `${id}-error ${id}-hint`}
        onChange={(event) => onChange({ codes: event.target.value })}
      />
      {error !== undefined && (
        <p className="field-error" id={`${id}-error`}>
          {error}
        </p>
      )}
      <p className="field-hint" id={`${id}-hint`}>
        {count > 0 ? t('codesTyped', { count }) : kept > 0 ? t('codesKept', { count: kept }) : t('codesHint')}
      </p>
    </div>
  );
}

function Confirm(props: {
  readonly match: MatchView;
  readonly category: Category;
  readonly phases: readonly NewPhase[];
  readonly close: () => void;
  readonly onSaved: () => void;
}): ReactNode {
  const { match, category, phases, close, onSaved } = props;
  const t = useOperatorText('phases');
  const { moment } = useFigures();
  const say = useToast();
  const readAnew = useReadAnew();
  const matchesAnew = useMatchesAnew();
  const { matchNumber } = match;
  const zone = timeZoneOf(match.location);
  const send = async (): Promise<void> => {
    try {
      await replacePhases(matchNumber, category, phases);
      say(t('saved'));
      onSaved();
    } finally {
      // Also after a lost answer: it may have been done.
      matchesAnew();
      await readAnew(phasesQuestion(matchNumber, category).path);
    }
  };
  return (
    <ConfirmDialog
      title={t('confirmTitle', { number: matchNumber, category })}
      action={t('save')}
      look={phases.length === 0 ? 'danger' : 'primary'}
      isOpen
      onClose={close}
      onConfirm={send}
    >
      {phases.length === 0 ? (
        <p>{t('confirmNone')}</p>
      ) : (
        <>
          <p>{t('confirmBody')}</p>
          <ol className="phases">
            {phases.map(({ name, opensAt, closesAt, access }) => (
              <li key={name}>
                <strong dir="auto">{name}</strong>
                <span>
                  {closesAt === undefined
                    ? t('spanOpen', { from: moment(opensAt, zone) })
                    : t('span', { from: moment(opensAt, zone), to: moment(closesAt, zone) })}
                </span>
                <span className="soft">{t(`kinds.${access.kind}`)}</span>
              </li>
            ))}
          </ol>
        </>
      )}
    </ConfirmDialog>
  );
}
