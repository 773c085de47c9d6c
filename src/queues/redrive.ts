/** Re-drives a dead letter that came from a ticket's queue: its commands, under their own ids. */
import { parseCommands } from '../actors/job.js';
import type { DeadLetter } from '../archive/port.js';
import type { CommandGateway } from '../http/ports.js';
import type { RedriveResult } from '../kafka/dead-letters.js';
import { parseTicketName } from '../redis/keys.js';

export async function redriveCommands(letter: DeadLetter, gateway: CommandGateway): Promise<RedriveResult> {
  const ticket = parseTicketName(letter.source.replace(/^queue\//, ''));
  if (!ticket) return { kind: 'refused', reason: `no ticket is called ${letter.source}` };
  const parsed = parseCommands(Buffer.from(letter.raw, 'base64').toString('utf8'));
  if (parsed.kind === 'malformed') return { kind: 'refused', reason: parsed.reason };
  for (const { id, body, keepMs } of parsed.commands) {
    const answer = await gateway.submit({ ticket, id, body, keepMs });
    if (answer.kind !== 'answered') return { kind: 'refused', reason: `not now: ${answer.kind}; try again` };
    if (answer.result.kind === 'failed') return { kind: 'refused', reason: 'it still cannot be decided' };
  }
  return { kind: 'settled' };
}
