import { describe, expect, it } from '@jest/globals';
import { jobOf, parseCommands, parseJob } from '../../src/actors/job.js';
import type { CommandBody, CommandEnvelope } from '../../src/actors/ports.js';
import { NewerSchemaError, SCHEMA_VERSION } from '../../src/actors/state-codec.js';
import type { Reservation } from '../../src/rules/index.js';

const envelope = (body: unknown, more: object = {}) => ({ id: 'c', body, deadline: 1, keepMs: 1, ...more });
const position = { source: 'kafka/0', offset: '9223372036854775807', index: 0 };
const reservationId = 'r';

const bodies: CommandBody[] = [
  { type: 'hold', reservationId, quantity: 2, email: 'a@example.org', person: 'a', price: 75 },
  { type: 'hold', reservationId, quantity: 2, email: '', person: 'a' },
  { type: 'startPayment', reservationId, paymentId: 'p' },
  { type: 'confirm', reservationId, paymentId: 'p' },
  { type: 'failPayment', reservationId, paymentId: 'p', reason: 'declined' },
  { type: 'release', reservationId },
  { type: 'expire', reservationId },
  { type: 'refund', reservationId, quantity: 1 },
  {
    type: 'remote',
    action: 'reserved',
    clientId: 'peer',
    quantity: 3,
    recordedAt: 5,
    reservationId,
    position,
  },
  { type: 'remote', action: 'pending', clientId: 'peer', quantity: 1, recordedAt: 5 },
  { type: 'load', capacity: 0, price: 75, currency: 'USD', position },
  { type: 'close', endHolds: true },
  { type: 'reopen' },
  {
    type: 'hold',
    reservationId,
    quantity: 1,
    email: '',
    person: 'a',
    limits: { perPerson: 1, perReservation: 2, until: 5, code: { digest: 'd', ticketsMax: 1 } },
  },
];

describe('the data of a job', () => {
  it.each(bodies.map((body) => [body.type, body] as const))('with %s reads as what was put in', (_, body) => {
    const job = { schema: 1, commands: [envelope(body, { replyTo: 'g', requestId: 'q' }), envelope(body)] };
    const stored: unknown = JSON.parse(JSON.stringify(job));
    expect(parseJob(stored)).toEqual({ kind: 'job', job });
  });

  it('says that a worker must know the limits of sale phases only where there are some', () => {
    const [hold] = bodies;
    const limited = { ...hold, limits: { perPerson: 1 } } as CommandBody;
    expect(jobOf([envelope(hold) as CommandEnvelope]).schema).toBe(3);
    expect(jobOf([envelope(hold), envelope(limited)] as CommandEnvelope[]).schema).toBe(5);
  });

  it.each([
    ['a code', { code: 'd' }],
    ['the limits of a phase', { limits: { perPerson: 1 } }],
    ['whose turn it was', { offer: { entryId: 'w', joinedAt: 1 } }],
  ])('says that a worker must know %s of what is taken again', (_what, more) => {
    const reservation: Reservation = {
      id: 'r',
      matchNumber: 7,
      category: 2,
      status: 'CANCELLED',
      quantity: 2,
      refundedQuantity: 0,
      unitPrice: 75,
      currency: 'USD',
      email: '',
      person: 'a',
      createdAt: 1,
      updatedAt: 1,
      expiresAt: 2,
    };
    const jobWith = (one: Reservation) =>
      jobOf([envelope({ type: 'rehold', reservation: one, paymentId: 'p' })] as CommandEnvelope[]);
    expect(jobWith(reservation).schema).toBe(3);
    const job = jobWith({ ...reservation, ...more });
    expect(job.schema).toBe(5);
    expect(parseJob(JSON.parse(JSON.stringify(job)))).toEqual({ kind: 'job', job });
  });

  it.each([
    ['nothing', null],
    ['text', 'text'],
    ['no schema', { commands: [] }],
    ['a schema that is no number', { schema: '1', commands: [] }],
    ['no commands', { schema: 1 }],
    [
      'a length of no value',
      { schema: 1, commands: [{ ...envelope(bodies[0]), id: { length: { toString: 1, valueOf: 1 } } }] },
    ],
    ['an empty id', { schema: 1, commands: [envelope(bodies[0], { id: '' })] }],
    ['an endless id', { schema: 1, commands: [envelope(bodies[0], { id: 'x'.repeat(601) })] }],
    ['no deadline', { schema: 1, commands: [{ id: 'c', body: bodies[0], keepMs: 1 }] }],
    ['a record kept for no time', { schema: 1, commands: [envelope(bodies[0], { keepMs: 0 })] }],
    ['half a ticket', { schema: 1, commands: [envelope({ ...bodies[0], quantity: 0.5 })] }],
    [
      'an offset that is no number',
      { schema: 1, commands: [envelope({ ...bodies[10], position: { ...position, offset: '-1' } })] },
    ],
    ['an unknown reason', { schema: 1, commands: [envelope({ ...bodies[4], reason: 'bored' })] }],
  ])('with %s is malformed, and says why', (_, data) => {
    expect(parseJob(data)).toEqual({ kind: 'malformed', reason: expect.stringMatching(/./) });
  });

  it('of a newer version is not guessed at', () => {
    expect(() => parseJob({ schema: SCHEMA_VERSION + 1, commands: 'whatever it means then' })).toThrow(
      NewerSchemaError,
    );
  });

  it('reads from a dead letter: a whole job, or one command of it', () => {
    const one = envelope(bodies[5]);
    const both = { kind: 'commands', commands: [one] };
    expect(parseCommands(JSON.stringify(one))).toEqual(both);
    expect(parseCommands(JSON.stringify({ schema: 1, commands: [one] }))).toEqual(both);
    expect(parseCommands('{')).toMatchObject({
      kind: 'malformed',
      reason: expect.stringContaining('not JSON'),
    });
    expect(parseCommands('{}')).toMatchObject({ kind: 'malformed' });
  });
});
