/** How many connections the product keeps to its servers, and whether more tickets need more of them. */
import { mongoFound, startMongo } from '../../test/helpers/mongo.js';
import type { Case, Contender, Figures, Measuring, Part, Running } from '../contender.js';
import { load } from '../generator.js';
import { stopAll } from '../program.js';
import { HOLD_PATH } from '../programs/web.js';
import { connectionsTo } from '../sockets.js';
import { memoryMissing } from '../usage.js';
import { realKafkaMissing, startMarket } from './market.js';
import { startProduct, ticktak } from './ticktak.js';
import { saleOpen } from './store.js';

export interface ConnectionsCase extends Case {
  readonly tickets: number;
}

export const CONNECTIONS_CASES: readonly ConnectionsCase[] = [3, 48, 192].map((tickets) => ({
  id: `tickets-${tickets}`,
  title: `${tickets} tickets, all of them held: the most connections that were seen`,
  tickets,
}));

const CONNECTIONS = 64;
const LOOK_MS = 250;

export const connections: Contender<ConnectionsCase> = {
  ...ticktak('everysec'),
  setUp:
    'One web process (reservations), one consumer process, one worker process, Redis, Apache Kafka, and ' +
    `${mongoFound.name} as the archive.`,
  missing: async () =>
    (await realKafkaMissing()) ??
    (mongoFound.kind === 'none' ? mongoFound.reason : null) ??
    (await memoryMissing()),
  start(): Promise<Running<ConnectionsCase>> {
    const parts: Part[] = [];
    const started: { stop(): Promise<unknown> }[] = [];
    // What it used is looked at when a case was measured, so it is stopped later.
    const stop = async (): Promise<void> => {
      parts.length = 0;
      await stopAll(started.splice(0));
    };
    return Promise.resolve({
      parts,
      // Each number of tickets on servers of its own: what an earlier one has opened may stay open.
      measure: async ({ tickets }, measuring) => {
        await stop();
        return measure(tickets, measuring, started, parts);
      },
      stop,
    });
  },
};

async function measure(
  tickets: number,
  measuring: Measuring,
  started: { stop(): Promise<unknown> }[],
  parts: Part[],
): Promise<Figures> {
  const market = await startMarket(0, tickets);
  started.push(market);
  const mongo = await startMongo();
  started.push(mongo);
  const env = { ...market.settings, MONGODB_URL: `${mongo.url}bench` };
  const product = await startProduct('everysec', { beside: ['consumer'], env });
  started.push(product);
  parts.push(...product.programs);
  const [redis, ...processes] = product.programs;
  await saleOpen(redis?.url ?? '', tickets);
  const servers = [
    { name: 'Redis', port: portOf(redis?.url ?? '') },
    { name: 'Kafka', port: portOf(`kafka://${market.brokers}`) },
    { name: 'MongoDB', port: portOf(mongo.url) },
  ];
  const values: Record<string, number> = {};
  const look = (): void => {
    for (const { name: process, pid } of processes) {
      for (const { name: server, port } of servers) {
        const name = `${process} to ${server}`;
        values[name] = Math.max(values[name] ?? 0, connectionsTo(pid, port));
      }
    }
  };
  const looking = setInterval(look, LOOK_MS);
  const requests = { kind: 'hold', path: HOLD_PATH, firstTicket: 0, tickets } as const;
  const url = processes.at(-1)?.url ?? '';
  const plan = { url, connections: CONNECTIONS, expected: 201, requests };
  const figures = await load(plan, measuring).finally(() => clearInterval(looking));
  return { ...figures, values };
}

const portOf = (url: string): number => Number(new URL(url).port);
