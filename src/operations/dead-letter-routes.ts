/** Dead letters: what could not take effect, whole, and its re-drive. */
import { z } from 'zod';
import type { Clock } from '../actors/ports.js';
import type { Archive, DeadLetter } from '../archive/port.js';
import { defineRoute, type Handled, type Route } from '../http/api.js';
import { bounded } from '../http/bounded.js';
import { notFound, outcomeUnknown } from '../http/problem.js';
import type { DeadLetterQueue } from '../queues/dead-letter-queue.js';
import { audited, forOperators, iso, type OperatorRoutesOptions } from './operators.js';

export interface DeadLetterRoutesOptions extends OperatorRoutesOptions {
  readonly archive: Pick<Archive, 'deadLetters'>;
  readonly letters: Pick<DeadLetterQueue, 'redrive'>;
  readonly clock: Clock;
  readonly waitMs: number;
}

export function deadLetterRoutes(options: DeadLetterRoutesOptions): Route[] {
  return [listRoute(options), redriveRoute(options)];
}

/** A letter may be a megabyte. */
const SHOWN_BYTES = 16 * 1_024;
const PAGE_MAX = 50;
const CURSOR_CHARS_MAX = 1_000;
const ID_CHARS_MAX = 700;

const letterSchema = z
  .object({
    id: z.string(),
    source: z.string(),
    reason: z.string(),
    receivedAt: z.iso.datetime(),
    redrivenAt: z.iso.datetime().optional(),
    headers: z.record(z.string(), z.string()),
    rawBytes: z.number().int(),
    text: z
      .string()
      .optional()
      .meta({ description: `Its first ${SHOWN_BYTES} bytes, where it is UTF-8.` }),
    rawBase64: z.string().meta({ description: `Its first ${SHOWN_BYTES} bytes.` }),
  })
  .meta({ id: 'Dead letter' });

function letterJson(letter: DeadLetter): z.output<typeof letterSchema> {
  const { id, source, reason, receivedAt, redrivenAt, headers, raw } = letter;
  const bytes = Buffer.from(raw, 'base64');
  const shown = bytes.subarray(0, SHOWN_BYTES);
  const text = textOf(shown, shown.length < bytes.length);
  return {
    id,
    source,
    reason,
    receivedAt: iso(receivedAt),
    ...(redrivenAt !== undefined && { redrivenAt: iso(redrivenAt) }),
    headers: { ...headers },
    rawBytes: bytes.length,
    ...(text !== undefined && { text }),
    rawBase64: shown.toString('base64'),
  };
}

/** Undefined for what is no UTF-8. `isCut`: a character that the cut went through is left out. */
function textOf(bytes: Buffer, isCut: boolean): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: isCut });
  } catch {
    return undefined;
  }
}

function listRoute({ archive, clock, waitMs, ...options }: DeadLetterRoutesOptions): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/operations/dead-letters',
    summary: 'Messages and jobs that could not take effect',
    ...forOperators(options),
    query: z.object({
      limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(25),
      after: z.string().max(CURSOR_CHARS_MAX).optional(),
    }),
    responses: {
      200: {
        description: 'The newest first',
        schema: z.object({ letters: z.array(letterSchema), next: z.string().optional() }),
      },
    },
    handle: async ({ query: { limit, after } }) => {
      const asked = archive.deadLetters({ limit, ...(after !== undefined && { after }) });
      const { items, next } = await bounded(clock, waitMs, 'archive', asked);
      return { status: 200, body: { letters: items.map(letterJson), ...(next !== undefined && { next }) } };
    },
  });
}

const answerSchema = z.object({
  result: z.enum(['redriven', 'repeated', 'refused']),
  reason: z.string().optional().meta({ description: 'Why it was refused: it stays where it is.' }),
});

function redriveRoute(options: DeadLetterRoutesOptions): Route {
  const { letters, clock, waitMs } = options;
  return defineRoute({
    method: 'post',
    path: '/api/v1/operations/dead-letters/{id}/redrives',
    summary: 'Try a dead letter again',
    description: 'It takes effect once, however often it is tried.',
    ...forOperators(options, 'not_found'),
    params: z.object({ id: z.string().min(1).max(ID_CHARS_MAX) }),
    responses: { 200: { description: 'What came of it', schema: answerSchema } },
    handle: async ({ params: { id }, ...asked }): Promise<Handled> => {
      await audited(options, asked, {
        action: 'dead_letter.redriven',
        subject: 'dead-letters',
        details: { id: id.slice(0, 200) },
      });
      // Half of the time is for the look at what came of it.
      const answer = await bounded(clock, 2 * waitMs, 'dead letters', letters.redrive(id, waitMs));
      switch (answer.kind) {
        case 'not_found':
          return notFound('This letter');
        case 'unknown':
          return outcomeUnknown({ keyed: false });
        case 'refused':
          return { status: 200, body: { result: 'refused', reason: answer.reason } };
        default:
          return { status: 200, body: { result: answer.kind } };
      }
    },
  });
}
