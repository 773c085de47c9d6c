/** The requests that contenders are asked with: the same bodies and headers for all. */
import { randomBytes } from 'node:crypto';
import type { Requests } from './generator.js';
import { ticketNumber } from './programs/ticket.js';

export interface Made {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
}

/** Answers the next request each time it is called. */
export function maker(requests: Requests): () => Made {
  if (requests.kind === 'get')
    return () => ({ method: 'GET', ...requests, headers: { ...requests.headers } });
  const { path, firstTicket, tickets } = requests;
  const run = randomBytes(6).toString('hex');
  let made = 0;
  return () => {
    made += 1;
    const { matchNumber, category } = ticketNumber(firstTicket + (made % tickets));
    return {
      method: 'POST',
      path: path.replace('{ticket}', `${matchNumber}-${category}`),
      headers: {
        'Content-Type': 'application/json',
        Accept: 'application/json',
        'User-Agent': 'ticktak-bench',
        'Idempotency-Key': `${run}-${made.toString(36).padStart(8, '0')}`,
        // Everybody comes from an address of their own, as through a router.
        'X-Forwarded-For': `81.${(made >> 16) & 255}.${(made >> 8) & 255}.${made & 255}`,
      },
      body: JSON.stringify({ matchNumber, category, quantity: 1, email: `${run}.${made}@example.org` }),
    };
  };
}
