import { describe, expect, it } from '@jest/globals';
import type { Reservation } from '../../src/rules/index.js';
import {
  MOVES,
  decide,
  partsOfTicketId,
  placesOf,
  refundable,
  standingsOf,
  type Admission,
  type AdmissionCommand,
  type AdmissionState,
  type RefundMark,
  type Standing,
  type Use,
} from '../../src/tickets/admission.js';

const ID = 'm1c1-abcdefghijklmnopqrstuvwxyz';

function sold(quantity: number, refundedQuantity = 0): Reservation {
  const isGone = quantity === 0;
  return {
    id: ID,
    matchNumber: 1,
    category: 1,
    status: isGone ? 'REFUNDED' : 'RESERVED',
    // As the rules leave it: the last refund does not lower it.
    quantity: isGone ? 1 : quantity,
    refundedQuantity,
    unitPrice: 75,
    currency: 'USD',
    email: 'fan@example.com',
    person: 'fan@example.com',
    createdAt: 1,
    updatedAt: 1,
    expiresAt: 2,
  };
}

const one = (number: number, more: Partial<Admission> = {}): Admission => ({
  reservationId: ID,
  number,
  generation: 0,
  ...more,
});
const given = (number: number): Admission => one(number, { generation: 1, holder: 'u2', givenBy: 'u1' });
const offer = { id: 'o1', to: 'friend@example.com', from: 'u1', at: 5 };
const use: Use = { scanId: 's1', at: 7, gate: 'A', device: 'd1', by: 'u9', notedAt: 8 };
const mark: RefundMark = { id: 'r1', numbers: [1], before: 0, at: 6, isDone: false };
const statesOf = (reservation: Reservation, known: Admission[] = []): string =>
  standingsOf(reservation, known)
    .map(({ state }) => state)
    .join(' ');

describe('the admissions of a reservation', () => {
  it('are one for each place that was sold, and none before', () => {
    expect(statesOf(sold(2))).toBe('valid valid');
    for (const status of ['PENDING', 'PAYING', 'CANCELLED', 'EXPIRED'] as const) {
      expect(placesOf({ ...sold(2), status })).toBe(0);
    }
    expect(statesOf(sold(0, 2))).toBe('void void');
  });

  it('are void from the highest of the buyer’s own, then transferred ones, then those that were used', () => {
    expect(statesOf(sold(2, 1))).toBe('valid valid void');
    expect(statesOf(sold(1, 2))).toBe('valid void void');
    expect(statesOf(sold(2, 1), [given(3)])).toBe('valid void valid');
    expect(statesOf(sold(1, 2), [given(3)])).toBe('void void valid');
    expect(statesOf(sold(1, 2), [given(3), given(1)])).toBe('valid void void');
    expect(statesOf(sold(0, 3), [given(3), given(1)])).toBe('void void void');
    const used = [one(3, { used: use }), given(2)];
    expect(statesOf(sold(3, 0), used)).toBe('valid valid used');
    expect(statesOf(sold(2, 1), used)).toBe('void valid used');
    expect(statesOf(sold(1, 2), used)).toBe('void void used');
    expect(statesOf(sold(0, 3), used)).toBe('void void void');
    expect(statesOf(sold(1, 1), [one(1, { used: use }), { ...given(2), used: use }])).toBe('used void');
  });

  it('stay void whatever is refunded, transferred and used after', () => {
    // Every way to refund one place, or to transfer or use one valid admission, five steps deep.
    const seen = { steps: 0 };
    const walk = (left: number, refunded: number, known: readonly Admission[], depth: number): void => {
      const standings = standingsOf(sold(left, refunded), known);
      expect(standings.filter(({ state }) => state !== 'void')).toHaveLength(left);
      if (depth === 0) return;
      const gone = standings.flatMap(({ state }, index) => (state === 'void' ? [index] : []));
      const next: [number, number, readonly Admission[]][] =
        left > 0 ? [[left - 1, refunded + 1, known]] : [];
      for (const { admission, state } of standings) {
        if (state === 'void' || state === 'used') continue;
        const others = known.filter(({ number }) => number !== admission.number);
        next.push([left, refunded, [...others, { ...admission, used: use }]]);
        if (admission.generation > 0) continue;
        next.push([left, refunded, [...others, given(admission.number)]]);
      }
      for (const [a, b, c] of next) {
        seen.steps += 1;
        const after = standingsOf(sold(a, b), c);
        expect(gone.filter((index) => after[index]?.state !== 'void')).toEqual([]);
        walk(a, b, c, depth - 1);
      }
    };
    walk(4, 0, [], 5);
    expect(seen.steps).toBeGreaterThan(1_000);
  });

  it('are refundable from the highest, when they are valid and were neither transferred nor used', () => {
    const known = [
      given(2),
      one(3, { offer }),
      one(4, { refund: { ...mark, numbers: [4] } }),
      one(5, { used: use }),
    ];
    expect(refundable(standingsOf(sold(5), known))).toEqual([3, 1]);
  });
});

const COMMANDS: Record<AdmissionCommand['type'], AdmissionCommand> = {
  offer: { type: 'offer', id: 'o2', to: 'else@example.com', from: 'u1', fromEmail: 'fan@example.com', at: 9 },
  end: { type: 'end' },
  accept: { type: 'accept', account: 'u3', email: 'friend@example.com', at: 9 },
  refund: { type: 'refund', mark: { ...mark, id: 'r2' } },
  keep: { type: 'keep', id: 'r1' },
  settle: { type: 'settle', id: 'r1' },
  admit: { type: 'admit', generation: 0, use: { ...use, scanId: 's2' } },
};
const STANDINGS: Record<AdmissionState, { reservation: Reservation; admission: Admission }> = {
  valid: { reservation: sold(1), admission: one(1) },
  offered: { reservation: sold(1), admission: one(1, { offer }) },
  refunding: { reservation: sold(1), admission: one(1, { refund: mark }) },
  used: { reservation: sold(1), admission: one(1, { used: use }) },
  void: { reservation: sold(0, 1), admission: one(1, { offer, refund: mark }) },
};
const standing = (state: AdmissionState): Standing => {
  const { reservation, admission } = STANDINGS[state];
  const [first] = standingsOf(reservation, [admission]);
  expect(first?.state).toBe(state);
  return first!;
};

describe('every command in every state', () => {
  for (const state of Object.keys(STANDINGS) as AdmissionState[]) {
    for (const [type, command] of Object.entries(COMMANDS)) {
      const to = MOVES[state][type as AdmissionCommand['type']];
      it(`${type} of a ${state} one ${to === undefined ? 'is refused' : `leaves it ${to}`}`, () => {
        const decision = decide(standing(state), command);
        if (to === undefined) {
          expect(decision.kind).not.toBe('changed');
          return;
        }
        expect(decision.kind).toBe('changed');
        const after = decision.kind === 'changed' ? [decision.admission] : [];
        expect(standingsOf(STANDINGS[state].reservation, after)[0]?.state).toBe(to);
      });
    }
  }

  it('reach every state', () => {
    const reached = new Set<AdmissionState>(['valid']);
    for (const moves of Object.values(MOVES)) for (const to of Object.values(moves)) reached.add(to);
    expect([...reached].sort()).toEqual(Object.keys(MOVES).sort());
  });
});

describe('a transfer', () => {
  it('raises the generation, and remembers by whom it was given', () => {
    const decision = decide(standing('offered'), COMMANDS.accept);
    expect(decision).toEqual({
      kind: 'changed',
      admission: one(1, { generation: 1, holder: 'u3', givenBy: 'u1', heldSince: 9, endedOffer: 'o1' }),
    });
  });

  it('is one however often it is accepted, and only by whom it was offered to', () => {
    const accepted = standingsOf(sold(1), [one(1, { generation: 1, holder: 'u3', endedOffer: 'o1' })])[0]!;
    expect(decide(accepted, COMMANDS.accept)).toEqual({ kind: 'unchanged' });
    const other = { ...COMMANDS.accept, account: 'u4', email: 'other@example.com' } as const;
    expect(decide(standing('offered'), other)).toEqual({ kind: 'not_offered' });
    expect(decide(accepted, other)).toEqual({ kind: 'not_offered' });
  });

  it('is offered to one at a time, never to oneself, and once by one request', () => {
    const to = (email: string, id = 'o9') => ({ ...COMMANDS.offer, to: email, id }) as AdmissionCommand;
    expect(decide(standing('offered'), to('friend@example.com'))).toEqual({ kind: 'unchanged' });
    expect(decide(standing('offered'), to('else@example.com'))).toEqual({ kind: 'already_offered' });
    expect(decide(standing('valid'), to('fan@example.com'))).toEqual({ kind: 'to_self' });
    const ended = standingsOf(sold(1), [one(1, { endedOffer: 'o9' })])[0]!;
    expect(decide(ended, to('else@example.com'))).toEqual({ kind: 'offer_ended' });
  });
});

describe('a refund', () => {
  it('takes an offer with it, and never what was transferred', () => {
    expect(decide(standing('offered'), COMMANDS.refund)).toEqual({
      kind: 'changed',
      admission: one(1, { endedOffer: 'o1', refund: { ...mark, id: 'r2' } }),
    });
    const transferred = standingsOf(sold(1), [given(1)])[0]!;
    expect(decide(transferred, COMMANDS.refund)).toEqual({ kind: 'transferred' });
  });

  it('is taken off by its own id only, and not once it is done', () => {
    expect(decide(standing('refunding'), { type: 'keep', id: 'other' })).toEqual({ kind: 'unchanged' });
    const done = standingsOf(sold(0, 1), [one(1, { refund: { ...mark, isDone: true } })])[0]!;
    expect(decide(done, COMMANDS.keep)).toEqual({ kind: 'unchanged' });
  });
});

describe('a scan at the gate', () => {
  const admit = (standing: Standing, more: Partial<Use> = {}, generation = 0) =>
    decide(standing, { type: 'admit', generation, use: { ...use, ...more } });

  it('lets in once: the same scan again changes nothing, another is told of the first', () => {
    const decision = admit(standing('valid'));
    expect(decision).toEqual({ kind: 'changed', admission: one(1, { used: use }) });
    expect(admit(standing('used'))).toEqual({ kind: 'unchanged' });
    expect(admit(standing('used'), { at: 1 })).toEqual({ kind: 'unchanged' });
    expect(admit(standing('used'), { scanId: 's2' })).toEqual({ kind: 'repeated', first: use });
  });

  it('ends an open offer', () => {
    expect(admit(standing('offered'))).toEqual({
      kind: 'changed',
      admission: one(1, { endedOffer: 'o1', used: use }),
    });
  });

  it('takes no code but the newest holder’s', () => {
    const transferred = standingsOf(sold(1), [given(1)])[0]!;
    expect(admit(transferred)).toEqual({ kind: 'replaced' });
    expect(admit(transferred, {}, 2)).toEqual({ kind: 'replaced' });
    expect(admit(transferred, {}, 1)).toEqual({ kind: 'changed', admission: { ...given(1), used: use } });
    const used = standingsOf(sold(1), [{ ...given(1), used: use }])[0]!;
    expect(admit(used, { scanId: 's2' })).toEqual({ kind: 'replaced' });
    expect(admit(used, { scanId: 's2' }, 1)).toEqual({ kind: 'repeated', first: use });
  });

  it('is refused of what was given back, or is being given back', () => {
    expect(admit(standing('refunding'))).toEqual({ kind: 'wrong_state', state: 'refunding' });
    expect(admit(standing('void'))).toEqual({ kind: 'wrong_state', state: 'void' });
    const usedBefore = standingsOf(sold(0, 1), [{ ...given(1), used: use }])[0]!;
    expect(admit(usedBefore, { scanId: 's2' }, 0)).toEqual({ kind: 'wrong_state', state: 'void' });
    // Whoever was let in was let in.
    expect(admit(usedBefore, {}, 1)).toEqual({ kind: 'unchanged' });
  });

  it('keeps the ticket from being given on or back, and an acceptance before it stands', () => {
    expect(decide(standing('used'), COMMANDS.offer)).toEqual({ kind: 'wrong_state', state: 'used' });
    expect(decide(standing('used'), COMMANDS.refund)).toEqual({ kind: 'wrong_state', state: 'used' });
    expect(decide(standing('used'), COMMANDS.accept)).toEqual({ kind: 'not_offered' });
    const accepted = standingsOf(sold(1), [one(1, { generation: 1, holder: 'u3', used: use })])[0]!;
    expect(decide(accepted, COMMANDS.accept)).toEqual({ kind: 'unchanged' });
  });
});

describe('a ticket id', () => {
  it.each(['', '.1', `${ID}.`, `${ID}.0`, `${ID}.01`, `${ID}.1.1`, `${ID}.12345`, `${ID.toUpperCase()}.1`])(
    'is not %j',
    (id) => {
      expect(partsOfTicketId(id)).toBeNull();
    },
  );
  it('names reservation and number', () => {
    expect(partsOfTicketId(`${ID}.12`)).toEqual({ reservationId: ID, number: 12 });
  });
});
