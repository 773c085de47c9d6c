/**
 * What the sandbox keeps, in the collection `sandbox` of the document store: a payment intent with all that
 * belongs to it (charges, refunds, dispute, events not yet told) in ONE document, so that whatever happens to
 * it happens in one write; payment methods; events; answers by idempotency key; the sandbox's own key.
 */
import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { Collection, sortable, type Documents } from '../../archive/documents.js';
import { cardRecord } from './cards.js';

const json = z.record(z.string(), z.unknown());
export const cardErrorRecord = z.object({
  type: z.string(),
  code: z.string(),
  declineCode: z.string().optional(),
  message: z.string(),
});

const chargeRecord = z.object({
  created: z.number(),
  /** Null: it was paid. */
  failure: cardErrorRecord.nullable(),
  card: cardRecord,
  methodId: z.string(),
  isAuthenticated: z.boolean(),
});
export type ChargeRecord = z.infer<typeof chargeRecord>;

const refundStatus = z.enum(['pending', 'succeeded', 'failed']);
const refundRecord = z.object({
  operation: z.string(),
  created: z.number(),
  amount: z.number(),
  status: refundStatus,
  reason: z.string().nullable(),
  metadata: z.record(z.string(), z.string()),
  /** What becomes of it, and when. */
  later: z.object({ at: z.number(), status: refundStatus }).nullable(),
  /** When it came back. Absent in records of before the sandbox had a balance: as if at once. */
  failedAt: z.number().exactOptional(),
});
export type RefundRecord = z.infer<typeof refundRecord>;

const disputeRecord = z.object({
  created: z.number(),
  reason: z.string(),
  status: z.enum(['needs_response', 'won', 'lost']),
  /** When it was decided; absent as `failedAt` is. */
  closedAt: z.number().exactOptional(),
});
export type DisputeRecord = z.infer<typeof disputeRecord>;

const outboxEvent = z.object({ id: z.string(), type: z.string(), created: z.number(), object: json });

export const intentRecord = z.object({
  kind: z.literal('payment_intent'),
  created: z.number(),
  amount: z.number(),
  currency: z.string(),
  description: z.string().nullable(),
  receiptEmail: z.string().nullable(),
  metadata: z.record(z.string(), z.string()),
  status: z.enum(['requires_payment_method', 'requires_action', 'succeeded', 'canceled']),
  methodId: z.string().nullable(),
  returnUrl: z.string().nullable(),
  lastError: cardErrorRecord.extend({ methodId: z.string(), chargeIndex: z.number().nullable() }).nullable(),
  canceled: z.object({ at: z.number(), operation: z.string(), reason: z.string().nullable() }).nullable(),
  /** Confirms, by the operation that made them; `error`: what each was told. */
  confirms: z.array(
    z.object({
      operation: z.string(),
      chargeIndex: z.number().nullable(),
      card: cardRecord,
      methodId: z.string(),
    }),
  ),
  charges: z.array(chargeRecord),
  refunds: z.array(refundRecord),
  dispute: disputeRecord.nullable(),
  /** When the paid charge will be disputed. */
  disputeLater: z.object({ at: z.number(), reason: z.string() }).nullable(),
  eventCount: z.number(),
  /** Events that happened and are not yet documents of their own. */
  outbox: z.array(outboxEvent),
});
export type IntentRecord = z.infer<typeof intentRecord>;

const methodRecord = z.object({ kind: z.literal('payment_method'), created: z.number(), card: cardRecord });
export type MethodRecord = z.infer<typeof methodRecord>;

const eventRecord = z.object({
  kind: z.literal('event'),
  type: z.string(),
  created: z.number(),
  object: json,
  /** When it is to be delivered next; null: delivered, given up, or nobody listens. */
  due: z.number().nullable(),
  attempts: z.number(),
});
export type EventRecord = z.infer<typeof eventRecord>;

const keyRecord = z.object({
  kind: z.literal('key'),
  created: z.number(),
  /** Of method, path and parameters. */
  request: z.string(),
  /** The operation's name, the same in each try of it. */
  operation: z.string(),
  /** While the first try is under way: until when others have to wait for it. */
  busyUntil: z.number(),
  answer: z.object({ status: z.number(), body: json }).nullable(),
});
export type KeyRecord = z.infer<typeof keyRecord>;

const ownKeyRecord = z.object({ kind: z.literal('own_key'), key: z.string() });

const record = z.discriminatedUnion('kind', [
  intentRecord,
  methodRecord,
  eventRecord,
  keyRecord,
  ownKeyRecord,
]);
export type SandboxRecord = z.infer<typeof record>;
export type Records = Collection<'sandbox', typeof record>;

const DAY_MS = 86_400_000;
/** As Stripe keeps them. */
const KEY_MS = DAY_MS;
const EVENT_MS = 30 * DAY_MS;
const METHOD_MS = 30 * DAY_MS;

export function openRecords(documents: Documents): Records {
  return new Collection(documents, {
    name: 'sandbox',
    schema: record,
    lists: (value, id) => {
      if (value.kind !== 'payment_intent' && value.kind !== 'event') return {};
      const due = value.kind === 'event' ? value.due : dueOf(value);
      return {
        all: `${value.kind}/${sortable(value.created)}/${id}`,
        ...(due !== null && { of: `${value.kind}/due/${sortable(due)}` }),
      };
    },
    expiresAt: (value) => {
      switch (value.kind) {
        case 'key':
          return value.created + KEY_MS;
        case 'event':
          return value.created + EVENT_MS;
        case 'payment_method':
          return value.created + METHOD_MS;
        default:
          return undefined;
      }
    },
  });
}

/** When an intent needs work that nobody asked for. */
function dueOf({ outbox, refunds, disputeLater }: IntentRecord): number | null {
  const times = [
    ...outbox.map(({ created }) => created),
    ...refunds.flatMap(({ later }) => (later ? [later.at] : [])),
    ...(disputeLater ? [disputeLater.at] : []),
  ];
  return times.length === 0 ? null : Math.min(...times);
}

const OWN_KEY_ID = 'own-key';
const OWN_KEY_BYTES = 32;

/** The key of the sandbox's client secrets, page tokens and fingerprints: made once, the same in every process. */
export async function ownKey(records: Records): Promise<string> {
  await records.insert(OWN_KEY_ID, {
    kind: 'own_key',
    key: randomBytes(OWN_KEY_BYTES).toString('base64url'),
  });
  const found = await records.get(OWN_KEY_ID);
  if (found?.value.kind !== 'own_key') throw new Error('The sandbox has no key of its own');
  return found.value.key;
}

const CORE_BYTES = 12;
const CORE_CHARS = 2 * CORE_BYTES;

/** A name that all objects of one operation are called by, with a prefix and a number each. */
export const newCore = (): string => randomBytes(CORE_BYTES).toString('hex');

const numbered = (index: number): string => String(index).padStart(4, '0');
const coreOf = (id: string): string => id.slice(id.indexOf('_') + 1).slice(0, CORE_CHARS);

export const ids = {
  intent: (core: string): string => `pi_${core}`,
  method: (core: string): string => `pm_${core}`,
  charge: (intentId: string, index: number): string => `ch_${coreOf(intentId)}${numbered(index)}`,
  refund: (intentId: string, index: number): string => `re_${coreOf(intentId)}${numbered(index)}`,
  dispute: (intentId: string): string => `du_${coreOf(intentId)}`,
  event: (intentId: string, index: number): string => `evt_${coreOf(intentId)}${numbered(index)}`,
  /** Of the balance: `kind` is one letter, to tell apart what one payment makes of it. */
  transaction: (intentId: string, kind: string, index: number): string =>
    `txn_${coreOf(intentId)}${kind}${numbered(index)}`,
  /** The intent that a charge, refund or dispute belongs to. */
  intentOf: (id: string): string => `pi_${coreOf(id)}`,
};
