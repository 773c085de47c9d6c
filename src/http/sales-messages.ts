/**
 * Kafka's sales messages over HTTP, for marketplaces that have no Kafka. Only services of the operator may
 * send them.
 *
 * Guarantee: the id of a message takes effect once, for good. It gives the ids of the message's commands: for
 * as long as outcomes are kept (`idempotencyMs`) a repeat gets the first answer, after that the archive knows
 * what took effect, and a repeat is told so.
 */
import { z } from 'zod';
import type { Clock, CommandBody } from '../actors/ports.js';
import type { RemoteAction, TicketId, Told } from '../rules/index.js';
import { defineRoute, type Handled, type Route } from './api.js';
import { canonicalJson, type Idempotency, type RequestIdentity } from './idempotency.js';
import { bearerToken, sameSecret } from './identity.js';
import type { CommandGateway, SubmissionResult } from './ports.js';
import { Problem, overloaded, validationFailed } from './problem.js';

/** One ticket of a sales message, as the market's codec reads it. */
export interface DecodedSale {
  readonly ticket: TicketId;
  readonly action: RemoteAction;
  readonly quantity: number;
  readonly clientId: string;
  readonly reservationId?: string;
}
export type DecodedMessage =
  | { readonly kind: 'sales'; readonly sales: readonly DecodedSale[] }
  /** A message of our own: it has taken effect already. */
  | { readonly kind: 'own' }
  | { readonly kind: 'invalid'; readonly reason: string };

export interface SalesMessageOptions {
  readonly gateway: CommandGateway;
  readonly idempotency: Idempotency;
  readonly clock: Clock;
  /** Services present it as a Bearer token. */
  readonly serviceToken: string;
  /** The codec of the Kafka side; `headers` carry `clientId` and `reservationId`. */
  readonly decode: (value: Buffer, headers: Readonly<Record<string, string>>) => DecodedMessage;
  /** Whether there is such a ticket, so that none is made up by a message. */
  readonly knows: (ticket: TicketId) => Promise<boolean>;
  /** The recorded outcome of a command, while it is kept. */
  readonly recall: (ticket: TicketId, commandId: string) => Promise<Told | undefined>;
  /** Whether a command took effect, as far as the archive knows. */
  readonly tookEffect: (ticket: TicketId, commandId: string) => Promise<boolean>;
}

const ID = /^[\x21-\x7e]+$/;
const id = (charsMax: number): z.ZodString => z.string().min(1).max(charsMax).regex(ID, 'visible ASCII only');

const bodySchema = z
  .object({
    messageId: id(200).meta({ description: 'The same id takes effect once.' }),
    message: z.looseObject({}).meta({ description: 'The value of a Kafka sales message.' }),
    clientId: id(100).optional().meta({ description: 'The marketplace, as in the Kafka header.' }),
    reservationId: id(200).optional().meta({ description: 'As in the Kafka header.' }),
  })
  .meta({ id: 'SalesMessage' });

const resultSchema = z
  .object({
    messageId: z.string(),
    results: z.array(
      z.object({ matchNumber: z.number().int(), category: z.number().int(), outcome: z.string() }),
    ),
  })
  .meta({
    id: 'SalesMessageResult',
    description:
      '`outcome` is `applied`, `orphaned`, `repeated` (it took effect before, and what was answered then is not kept ' +
      'any more), `unknown` or the refusal.',
  });

export function salesMessageRoute(options: SalesMessageOptions): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/sales-messages',
    tag: 'shop',
    summary: 'Report a sale of another marketplace',
    security: ['serviceToken'],
    body: bodySchema,
    responses: {
      200: { description: 'Every ticket of it was decided', schema: resultSchema },
      202: {
        description: 'Accepted; some outcomes are not known yet, repeat to learn them',
        schema: resultSchema,
      },
    },
    problems: ['unauthorized', 'forbidden', 'validation_failed', 'overloaded'],
    authorize: ({ request }) => authorize(request.get('Authorization'), options.serviceToken),
    handle: ({ body, requestId }): Promise<Handled> => take(options, body, requestId),
  });
}

function authorize(header: string | undefined, expected: string): Problem | null {
  const token = bearerToken(header);
  if (token === null) return new Problem('unauthorized', { headers: { 'WWW-Authenticate': 'Bearer' } });
  return sameSecret(token, expected) ? null : new Problem('forbidden');
}

async function take(
  options: SalesMessageOptions,
  body: z.output<typeof bodySchema>,
  requestId: string,
): Promise<Handled> {
  const { messageId, message, clientId, reservationId } = body;
  const headers = {
    ...(clientId !== undefined && { clientId }),
    ...(reservationId !== undefined && { reservationId }),
  };
  const value = serialized(message);
  if (value === null) return validationFailed([{ path: 'message', message: 'is nested too deeply' }]);
  const decoded = options.decode(value, headers);
  if (decoded.kind === 'invalid') return validationFailed([{ path: 'message', message: decoded.reason }]);
  if (decoded.kind === 'own') return { status: 200, body: { messageId, results: [] } };
  const identity = await options.idempotency.identify({
    route: 'sales-message',
    // Two marketplaces may number their messages alike.
    caller: `service/${decoded.sales[0]?.clientId ?? ''}`,
    key: messageId,
    body: [value.toString(), headers],
  });
  if (identity.kind === 'conflict') {
    return validationFailed([{ path: 'messageId', message: 'was used for another message' }]);
  }
  const outcomes = await Promise.all(
    decoded.sales.map((sale, index) => submit(options, sale, identity, index, requestId)),
  );
  return answer(messageId, decoded.sales, outcomes);
}

/** Null when it is nested so deeply that writing it out would exhaust the stack: parsing it did not. */
function serialized(message: object): Buffer | null {
  try {
    return Buffer.from(canonicalJson(message));
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

type SaleOutcome = SubmissionResult | { readonly kind: 'no_such_ticket' };

async function submit(
  { gateway, clock, knows, recall, tookEffect }: SalesMessageOptions,
  sale: DecodedSale,
  identity: RequestIdentity,
  index: number,
  requestId: string,
): Promise<SaleOutcome> {
  if (!(await knows(sale.ticket))) return { kind: 'no_such_ticket' };
  const { ticket, ...facts } = sale;
  const id = `${identity.id}-${index}`;
  const recorded = await recall(ticket, id);
  if (recorded) return { kind: 'answered', result: recorded };
  // Its outcome was forgotten, or lost with Redis; what it did is in the archive.
  if (await tookEffect(ticket, id)) return { kind: 'answered', result: { kind: 'repeated' } };
  const body: CommandBody = { type: 'remote', recordedAt: clock.now(), ...facts };
  return gateway.submit({ ticket, id, body, keepMs: identity.keepMs, requestId });
}

function answer(messageId: string, sales: readonly DecodedSale[], outcomes: readonly SaleOutcome[]): Handled {
  // What was accepted keeps its outcome: the repeat that the sender is asked for completes the rest.
  const refused = outcomes.find((outcome) => outcome.kind === 'overloaded');
  if (refused) return overloaded(refused.retryAfterMs);
  const results = sales.map(({ ticket }, index) => {
    const outcome = outcomes[index];
    return { ...ticket, outcome: outcome?.kind === 'answered' ? outcome.result.kind : named(outcome) };
  });
  const isOpen = results.some(({ outcome }) => outcome === 'unknown');
  return { status: isOpen ? 202 : 200, body: { messageId, results } };
}

const named = (outcome: SaleOutcome | undefined): string =>
  outcome?.kind === 'no_such_ticket' ? 'not_open' : 'unknown';
