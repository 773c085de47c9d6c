import { describe, expect, it } from '@jest/globals';
import {
  codesOf,
  countriesOf,
  formOf,
  newPhaseForm,
  phasesFrom,
  type Phase,
  type PhaseForm,
} from '../../src/operator/phases/data';

const ZONE = 'Asia/Qatar';
const FORM: PhaseForm = { ...newPhaseForm('a'), name: 'Everybody', opensLocal: '2022-11-01T15:00' };

/** Of one form. */
function faultsOf(...forms: readonly PhaseForm[]): string[][] {
  const result = phasesFrom(forms, ZONE);
  return 'faults' in result ? [...result.faults].map(([key, wrong]) => [key, ...wrong]) : [];
}

describe('the form of sale phases', () => {
  it('says in UTC what was typed in stadium time', () => {
    const members: PhaseForm = {
      ...newPhaseForm('b'),
      name: ' Members ',
      opensLocal: '2022-11-01T10:00',
      closesLocal: '2022-11-01T15:00',
      access: 'code',
      codes: 'ALPHA-1\nBETA-2, ALPHA-1',
      perPerson: '2',
      perReservation: '1',
      perCode: '1',
    };
    expect(phasesFrom([members, FORM], ZONE)).toEqual({
      phases: [
        {
          name: 'Members',
          opensAt: '2022-11-01T07:00:00.000Z',
          closesAt: '2022-11-01T12:00:00.000Z',
          access: { kind: 'code', codes: ['ALPHA-1', 'BETA-2'] },
          ticketsPerPersonMax: 2,
          ticketsPerReservationMax: 1,
          ticketsPerCodeMax: 1,
        },
        { name: 'Everybody', opensAt: '2022-11-01T12:00:00.000Z', access: { kind: 'open' } },
      ],
    });
    expect(phasesFrom([], ZONE)).toEqual({ phases: [] });
  });

  it('begins as the phase is, and sends that back unchanged; codes stay that were not typed anew', () => {
    const phases: readonly Phase[] = [
      {
        name: 'Members',
        opensAt: '2022-11-01T07:00:00.000Z',
        closesAt: '2022-11-01T12:00:00.000Z',
        access: { kind: 'code', codeCount: 3 },
        ticketsPerPersonMax: 2,
      },
      {
        name: 'Neighbours',
        opensAt: '2022-11-01T12:00:00.000Z',
        access: { kind: 'country', countries: ['QA', 'SA'] },
      },
    ];
    const forms = phases.map((phase, index) => formOf(phase, String(index), ZONE));
    expect(phasesFrom(forms, ZONE)).toEqual({
      phases: [{ ...phases[0], access: { kind: 'code' } }, phases[1]],
    });
    // Codes are kept by the name of their phase.
    expect(faultsOf({ ...forms[0]!, name: 'Friends' })).toEqual([['0', 'codes_missing']]);
  });

  it('says what is wrong with each phase', () => {
    expect(faultsOf({ ...FORM, name: ' ' })).toEqual([['a', 'name']]);
    expect(faultsOf({ ...FORM, opensLocal: '' })).toEqual([['a', 'opens']]);
    expect(faultsOf({ ...FORM, closesLocal: 'late' })).toEqual([['a', 'closes']]);
    expect(faultsOf({ ...FORM, closesLocal: FORM.opensLocal })).toEqual([['a', 'order']]);
    expect(faultsOf({ ...FORM, perPerson: '0', perReservation: 'x' })).toEqual([
      ['a', 'per_person', 'per_reservation'],
    ]);
    expect(faultsOf({ ...FORM, access: 'country', countries: '' })).toEqual([['a', 'countries']]);
    expect(faultsOf({ ...FORM, access: 'country', countries: 'QA Qatar' })).toEqual([['a', 'countries']]);
    expect(faultsOf({ ...FORM, access: 'code' })).toEqual([['a', 'codes_missing']]);
    expect(faultsOf({ ...FORM, access: 'code', codes: 'abc' })).toEqual([['a', 'codes']]);
    expect(faultsOf({ ...FORM, access: 'code', codes: 'ABCD' })).toEqual([]);
  });

  it('refuses two of one name, and two for everybody at the same time', () => {
    const second = { ...FORM, key: 'b' };
    expect(faultsOf(FORM, second)).toEqual([['b', 'name_twice']]);
    expect(faultsOf(FORM, { ...second, name: 'Later', opensLocal: '2022-11-02T15:00' })).toEqual([
      ['b', 'overlap'],
    ]);
    const ends = { ...FORM, closesLocal: '2022-11-02T15:00' };
    expect(faultsOf(ends, { ...second, name: 'Later', opensLocal: '2022-11-02T15:00' })).toEqual([]);
  });

  it('takes codes and countries however they are set apart', () => {
    expect(codesOf(' a-1;b-2\r\n\tc-3 ')).toEqual(['a-1', 'b-2', 'c-3']);
    expect(countriesOf('qa, SA;ae')).toEqual(['QA', 'SA', 'AE']);
  });
});
