/** Durable virtual objects: the service that Restate calls, one call of an object at a time, its state in Restate. */
import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import * as restate from '@restatedev/restate-sdk';
import { optionsOf, ready } from './program.js';
import type { Wanted } from './web.js';

const { capacity } = optionsOf<{ capacity: number }>();

const counter = restate.object({
  name: 'ticket',
  handlers: {
    take: async (context: restate.ObjectContext, { quantity }: Pick<Wanted, 'quantity'>): Promise<number> => {
      const available = (await context.get<number>('available')) ?? capacity;
      if (available < quantity) return -1;
      context.set('available', available - quantity);
      return available - quantity;
    },
  },
});
export type Counter = typeof counter;

const server = createServer(restate.createEndpointHandler({ services: [counter] }));
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
ready(`http://127.0.0.1:${port}`);
