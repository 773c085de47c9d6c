/** The sale phases of a ticket as operators write them, and what can be wrong with them. Pure but for the requests. */
import { api } from '../../api';
import type { Category } from '../../api/types';
import type { Question } from '../data';
import { instantOf, localOf } from '../matches/data';

export type PhaseAccess =
  | { readonly kind: 'open' }
  /** Codes go in and never come out: read is how many there are. */
  | { readonly kind: 'code'; readonly codeCount: number }
  | { readonly kind: 'country'; readonly countries: readonly string[] };

export interface Phase {
  readonly name: string;
  readonly opensAt: string;
  readonly closesAt?: string;
  readonly access: PhaseAccess;
  readonly ticketsPerPersonMax?: number;
  readonly ticketsPerReservationMax?: number;
  /** With one code, whoever uses it; of a phase by code. */
  readonly ticketsPerCodeMax?: number;
}

export interface Phases {
  readonly phases: readonly Phase[];
}

/** Without `codes` those that the phase of this name has stay. */
export interface NewPhase extends Omit<Phase, 'access'> {
  readonly access:
    | { readonly kind: 'open' }
    | { readonly kind: 'code'; readonly codes?: readonly string[] }
    | { readonly kind: 'country'; readonly countries: readonly string[] };
}

const PATH = '/operations/sale-phases';

export const phasesQuestion = (matchNumber: number, category: Category): Question => ({
  path: `${PATH}/${matchNumber}/${category}`,
});

/** All of them at once, in the place of those before. The same again changes nothing. */
export const replacePhases = (
  matchNumber: number,
  category: Category,
  phases: readonly NewPhase[],
): Promise<Phases> =>
  api.send({ method: 'PUT', path: phasesQuestion(matchNumber, category).path, body: { phases } });

/** As the server takes them. */
export const PHASES_MAX = 20;
export const PHASE_NAME_CHARS_MAX = 60;
export const CODES_MAX = 10_000;
const CODE = /^[\x21-\x7e]{4,64}$/;
const COUNTRY = /^[A-Z]{2}$/;
const TICKETS = /^[1-9]\d{0,2}$/;

export const ACCESS_KINDS = ['open', 'code', 'country'] as const;
export type AccessKind = (typeof ACCESS_KINDS)[number];

/** A phase as the form has it: times are those of the stadium's clocks. */
export interface PhaseForm {
  /** Of the form, not of the phase. */
  readonly key: string;
  readonly name: string;
  readonly opensLocal: string;
  /** Empty: it does not close by itself. */
  readonly closesLocal: string;
  readonly access: AccessKind;
  /** One in each line, or with spaces between; empty to keep those that are there. */
  readonly codes: string;
  /** Codes that the phase of this name has by now. */
  readonly codeCount: number;
  /** The name under which they are kept. */
  readonly codesName: string;
  /** Two letters each, with anything between. */
  readonly countries: string;
  readonly perPerson: string;
  readonly perReservation: string;
  readonly perCode: string;
}

export const PHASE_FAULTS = [
  'name',
  'name_twice',
  'opens',
  'closes',
  'order',
  'overlap',
  'codes',
  'codes_many',
  'codes_missing',
  'countries',
  'per_person',
  'per_reservation',
  'per_code',
] as const;
export type PhaseFault = (typeof PHASE_FAULTS)[number];

export const newPhaseForm = (key: string): PhaseForm => ({
  key,
  name: '',
  opensLocal: '',
  closesLocal: '',
  access: 'open',
  codes: '',
  codeCount: 0,
  codesName: '',
  countries: '',
  perPerson: '',
  perReservation: '',
  perCode: '',
});

export function formOf(phase: Phase, key: string, timeZone: string): PhaseForm {
  const { name, opensAt, closesAt, access } = phase;
  return {
    ...newPhaseForm(key),
    name,
    opensLocal: localOf(opensAt, timeZone),
    closesLocal: closesAt === undefined ? '' : localOf(closesAt, timeZone),
    access: access.kind,
    ...(access.kind === 'code' && { codeCount: access.codeCount, codesName: name }),
    ...(access.kind === 'country' && { countries: access.countries.join(' ') }),
    perPerson: textOf(phase.ticketsPerPersonMax),
    perReservation: textOf(phase.ticketsPerReservationMax),
    perCode: textOf(phase.ticketsPerCodeMax),
  };
}

const textOf = (tickets: number | undefined): string => (tickets === undefined ? '' : String(tickets));

const wordsOf = (text: string): readonly string[] => [
  ...new Set(text.split(/[\s,;]+/).filter((one) => one !== '')),
];

export const codesOf = (text: string): readonly string[] => wordsOf(text);
export const countriesOf = (text: string): readonly string[] => wordsOf(text.toUpperCase());

/** Faults of each phase by its key; none means that all can be sent. */
export type Faults = ReadonlyMap<string, ReadonlySet<PhaseFault>>;

/** What the form says, in its order; or what is wrong with it. */
export function phasesFrom(
  forms: readonly PhaseForm[],
  timeZone: string,
): { readonly phases: readonly NewPhase[] } | { readonly faults: Faults } {
  const faults = new Map<string, Set<PhaseFault>>();
  const phases = forms.map((form, index) => {
    const { phase, wrong } = phaseFrom(form, timeZone);
    const earlier = forms.slice(0, index);
    if (wrong.size === 0 && earlier.some(({ name }) => name.trim() === phase.name)) wrong.add('name_twice');
    if (wrong.size > 0) faults.set(form.key, wrong);
    return phase;
  });
  for (const [index, phase] of phases.entries()) {
    const key = forms[index]?.key ?? '';
    // What is wrong in itself is told first.
    if (faults.size === 0 && phases.slice(0, index).some((other) => clash(other, phase))) {
      faults.set(key, new Set(['overlap']));
    }
  }
  return faults.size > 0 ? { faults } : { phases };
}

/** Two phases for everybody at the same time: nobody could say whose limits hold. */
function clash(a: NewPhase, b: NewPhase): boolean {
  if (a.access.kind !== 'open' || b.access.kind !== 'open') return false;
  const endOf = ({ closesAt }: NewPhase): number =>
    closesAt === undefined ? Infinity : Date.parse(closesAt);
  return Date.parse(a.opensAt) < endOf(b) && Date.parse(b.opensAt) < endOf(a);
}

function phaseFrom(
  form: PhaseForm,
  timeZone: string,
): { readonly phase: NewPhase; readonly wrong: Set<PhaseFault> } {
  const wrong = new Set<PhaseFault>();
  const name = form.name.trim();
  if (name === '' || name.length > PHASE_NAME_CHARS_MAX) wrong.add('name');
  const opensAt = instantOf(form.opensLocal, timeZone);
  if (opensAt === null) wrong.add('opens');
  const closesAt = form.closesLocal === '' ? undefined : instantOf(form.closesLocal, timeZone);
  if (closesAt === null) wrong.add('closes');
  if (opensAt !== null && closesAt && Date.parse(closesAt) <= Date.parse(opensAt)) wrong.add('order');
  const ticketsPerPersonMax = ticketsFrom(form.perPerson);
  if (ticketsPerPersonMax === null) wrong.add('per_person');
  const ticketsPerReservationMax = ticketsFrom(form.perReservation);
  if (ticketsPerReservationMax === null) wrong.add('per_reservation');
  const ticketsPerCodeMax = form.access === 'code' ? ticketsFrom(form.perCode) : undefined;
  if (ticketsPerCodeMax === null) wrong.add('per_code');
  const phase: NewPhase = {
    name,
    opensAt: opensAt ?? '',
    ...(closesAt && { closesAt }),
    access: accessFrom(form, name, wrong),
    ...(typeof ticketsPerPersonMax === 'number' && { ticketsPerPersonMax }),
    ...(typeof ticketsPerReservationMax === 'number' && { ticketsPerReservationMax }),
    ...(typeof ticketsPerCodeMax === 'number' && { ticketsPerCodeMax }),
  };
  return { phase, wrong };
}

/** Undefined for none, null for what is no number of tickets. */
function ticketsFrom(text: string): number | undefined | null {
  const typed = text.trim();
  if (typed === '') return undefined;
  return TICKETS.test(typed) ? Number(typed) : null;
}

function accessFrom(form: PhaseForm, name: string, wrong: Set<PhaseFault>): NewPhase['access'] {
  if (form.access === 'open') return { kind: 'open' };
  if (form.access === 'country') {
    const countries = countriesOf(form.countries);
    if (countries.length === 0 || !countries.every((code) => COUNTRY.test(code))) wrong.add('countries');
    return { kind: 'country', countries };
  }
  const codes = codesOf(form.codes);
  if (codes.length > 0) {
    if (!codes.every((code) => CODE.test(code))) wrong.add('codes');
    if (codes.length > CODES_MAX) wrong.add('codes_many');
    return { kind: 'code', codes };
  }
  // They are kept under the name of their phase.
  if (form.codeCount === 0 || form.codesName !== name) wrong.add('codes_missing');
  return { kind: 'code' };
}
