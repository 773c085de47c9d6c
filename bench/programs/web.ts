/**
 * The web process that every contender of the holds has, but for the product: Express as ticktak sets it up, a body of
 * JSON, connections that are kept, and one call that takes tickets. What differs is the call alone.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express, { type Express } from 'express';
import { SERVICE_LIMITS } from '../../src/http/service.js';
import { ready } from './program.js';
import { ticketNumber } from './ticket.js';

export interface Wanted {
  readonly matchNumber: number;
  readonly category: number;
  readonly quantity: number;
}

/** Answers how many are left; below 0 when there were not enough. */
export type Take = (wanted: Wanted) => Promise<number>;

export const HOLD_PATH = '/api/v1/reservations';

export const nameOf = ({ matchNumber, category }: Pick<Wanted, 'matchNumber' | 'category'>): string =>
  `${matchNumber}-${category}`;

/** The names of so many tickets, three to a match. */
export const namesOf = (tickets: number): string[] =>
  Array.from({ length: tickets }, (_, ticket) => nameOf(ticketNumber(ticket)));

export async function serveHolds(take: Take): Promise<void> {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  const json = express.json({ limit: SERVICE_LIMITS.bodyBytesMax });
  app.post(HOLD_PATH, json, async (request, response) => {
    const { matchNumber, category, quantity } = request.body as Wanted;
    const left = await take({ matchNumber, category, quantity });
    if (left < 0) response.status(409).json({ code: 'sold_out' });
    else response.status(201).json({ matchNumber, category, quantity, left });
  });
  await listen(app);
}

/** On any port of loopback, with connections kept as long as the product keeps them. */
export async function listen(app: Express): Promise<void> {
  const server = app.listen(0, '127.0.0.1');
  server.keepAliveTimeout = SERVICE_LIMITS.keepAliveMs;
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  ready(`http://127.0.0.1:${port}`);
}
