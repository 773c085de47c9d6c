/** The data of a ticket's jobs: checked when taken, because a queue may hold jobs of another version. */
import { z } from 'zod';
import { judged } from '../process/judged.js';
import { isBeyondVersion3 } from '../rules/index.js';
import type { CommandBody, CommandEnvelope, CommandJob } from './ports.js';
import { NewerSchemaError, reservationSchema, SCHEMA_VERSION } from './state-codec.js';

const id = z.string().min(1).max(600);
const reservationId = z.string().min(1).max(200);
const quantity = z.number().int().positive();
const position = z.object({
  source: z.string(),
  offset: z.string().regex(/^\d{1,19}$/),
  index: z.number().int(),
});

/** Of the phase of the sale that let the buyer in. */
const limits = z.object({
  perPerson: quantity.exactOptional(),
  perReservation: quantity.exactOptional(),
  until: z.number().exactOptional(),
  code: z.object({ digest: z.string().min(1).max(100), ticketsMax: quantity }).exactOptional(),
});

const body = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hold'),
    reservationId,
    quantity,
    email: z.string(),
    person: z.string(),
    account: z.string().exactOptional(),
    country: z.string().max(2).exactOptional(),
    price: z.number().exactOptional(),
    limits: limits.exactOptional(),
  }),
  z.object({
    type: z.literal('rehold'),
    reservation: reservationSchema,
    paymentId: z.string(),
    attemptId: z.string().exactOptional(),
    card: z.string().exactOptional(),
  }),
  z.object({
    type: z.literal('startPayment'),
    reservationId,
    paymentId: z.string(),
    attemptId: z.string().exactOptional(),
    card: z.string().exactOptional(),
  }),
  z.object({
    type: z.literal('declinePayment'),
    reservationId,
    paymentId: z.string(),
    reason: z.string().max(200),
  }),
  z.object({ type: z.literal('confirm'), reservationId, paymentId: z.string() }),
  z.object({
    type: z.literal('failPayment'),
    reservationId,
    paymentId: z.string(),
    reason: z.enum(['cancelled', 'declined', 'expired']),
  }),
  z.object({ type: z.literal('release'), reservationId }),
  z.object({ type: z.literal('expire'), reservationId }),
  z.object({ type: z.literal('refund'), reservationId, quantity }),
  z.object({
    type: z.literal('remote'),
    action: z.enum(['pending', 'reserved', 'cancelled']),
    clientId: z.string(),
    quantity,
    reservationId: reservationId.exactOptional(),
    recordedAt: z.number(),
    position: position.exactOptional(),
    ordered: z.literal(true).exactOptional(),
  }),
  z.object({
    type: z.literal('own'),
    action: z.enum(['pending', 'reserved', 'cancelled']),
    quantity,
    reservationId,
    recordedAt: z.number(),
    position,
  }),
  z.object({
    type: z.literal('load'),
    capacity: z.number().int().nonnegative(),
    price: z.number(),
    currency: z.string(),
    position: position.exactOptional(),
  }),
  z.object({
    type: z.literal('close'),
    endHolds: z.boolean(),
    cancelled: z.literal(true).exactOptional(),
  }),
  z.object({ type: z.literal('reopen') }),
  z.object({ type: z.literal('pause'), paused: z.boolean(), revision: z.number().int().positive() }),
  z.object({
    type: z.literal('decideOrphan'),
    orphanId: z.string().min(1).max(600),
    decision: z.enum(['give_back', 'dismiss']),
  }),
  z.object({
    type: z.literal('releaseRemote'),
    clientId: z.string(),
    reservationId: reservationId.exactOptional(),
    heldSince: z.number(),
  }),
  z.object({
    type: z.literal('joinWaitingList'),
    entryId: reservationId,
    reservationId,
    quantity,
    email: z.string(),
    person: z.string(),
    account: z.string().exactOptional(),
    country: z.string().max(2).exactOptional(),
    limits: limits.exactOptional(),
  }),
  z.object({ type: z.literal('leaveWaitingList'), entryId: reservationId }),
]) satisfies z.ZodType<CommandBody>;

const envelope = z.object({
  id,
  body,
  deadline: z.number(),
  incarnation: z.number().int().nonnegative().exactOptional(),
  keepMs: z.number().int().positive(),
  replyTo: z.string().exactOptional(),
  requestId: z.string().exactOptional(),
}) satisfies z.ZodType<CommandEnvelope>;

const job = z.object({
  schema: z.number().int(),
  commands: z.array(envelope),
}) satisfies z.ZodType<CommandJob>;

/** Of jobs that hold nothing newer. */
const JOB_VERSION_MIN = 3;
/** The version that brought each of these; the others are those of `JOB_VERSION_MIN`. */
function versionOf(body: CommandBody): number {
  if (body.type === 'own' || (body.type === 'remote' && body.ordered)) return 5;
  // An older worker would grant what the phase of the sale does not allow.
  if (body.type === 'hold' && body.limits) return 5;
  // Nor would it count the reservation for its code, or know whose turn it was.
  if (body.type === 'rehold' && isBeyondVersion3(body.reservation)) return 5;
  if (body.type === 'joinWaitingList' || body.type === 'leaveWaitingList') return 5;
  return body.type === 'reopen' ? 4 : JOB_VERSION_MIN;
}

/** A job says the version that a worker must know for its commands, so that an older one can do what it knows. */
export function jobOf(commands: readonly CommandEnvelope[]): CommandJob {
  const versions = commands.map(({ body }) => versionOf(body));
  return { schema: Math.max(JOB_VERSION_MIN, ...versions), commands };
}

export type ParsedJob =
  | { readonly kind: 'job'; readonly job: CommandJob }
  | { readonly kind: 'malformed'; readonly reason: string };

/** Throws `NewerSchemaError` for a job of a newer version: this worker must not guess. */
export function parseJob(data: unknown): ParsedJob {
  const schema = (data as { readonly schema?: unknown } | null)?.schema;
  if (typeof schema === 'number' && schema > SCHEMA_VERSION) throw new NewerSchemaError('A job', schema);
  const parsed = judged(job, data);
  return parsed.success
    ? { kind: 'job', job: parsed.data }
    : { kind: 'malformed', reason: z.prettifyError(parsed.error) };
}

export type ParsedCommands =
  | { readonly kind: 'commands'; readonly commands: readonly CommandEnvelope[] }
  | { readonly kind: 'malformed'; readonly reason: string };

/** The commands in a dead letter's text: a whole job, or one command of it. */
export function parseCommands(text: string): ParsedCommands {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (error) {
    return { kind: 'malformed', reason: `not JSON: ${String(error)}` };
  }
  const one = judged(envelope, data);
  if (one.success) return { kind: 'commands', commands: [one.data] };
  const parsed = parseJob(data);
  return parsed.kind === 'job' ? { kind: 'commands', commands: parsed.job.commands } : parsed;
}
