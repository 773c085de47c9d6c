/** Durable virtual objects: the web process asks Restate's ingress for a call of the ticket's object. */
import { connect } from '@restatedev/restate-sdk-clients';
import type { Counter } from './objects-worker.js';
import { optionsOf } from './program.js';
import { nameOf, serveHolds } from './web.js';

const { ingress } = optionsOf<{ ingress: string }>();
const restate = connect({ url: ingress });
await serveHolds(async (wanted) =>
  restate.objectClient<Counter>({ name: 'ticket' }, nameOf(wanted)).take(wanted),
);
