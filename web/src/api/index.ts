/** The API of this page: one client, one session. Importing it asks nothing. */
import { Api } from './client';
import { serverClock } from './clock';
import { Session, type SessionChannel } from './session';
import { browserStorage } from './storage';
import type { LogIn } from './types';

export { ApiProblem, asProblem, type ProblemCode } from './problem';
export { intents } from './intents';
export { reservationTokens } from './reservation-tokens';
export { serverClock } from './clock';

function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new DOMException('given up', 'AbortError'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** Other tabs, where the browser has a way to them. */
function openChannel(): SessionChannel | null {
  if (typeof BroadcastChannel === 'undefined' || typeof window === 'undefined') return null;
  const channel = new BroadcastChannel('ticktak.session');
  return {
    post: (message) => channel.postMessage(message),
    listen: (onMessage) =>
      channel.addEventListener('message', (event: MessageEvent<unknown>) => onMessage(event.data)),
  };
}

/** Older browsers have no locks: there the server answers a repeated refresh the same within seconds. */
function exclusively<T>(run: () => Promise<T>): Promise<T> {
  const locks = typeof navigator === 'undefined' ? undefined : navigator.locks;
  return locks ? locks.request('ticktak.refresh', run) : run();
}

export const session = new Session({
  clock: serverClock,
  storage: browserStorage,
  refresh: () => api.send<LogIn>({ method: 'POST', path: '/sessions/refresh', body: {}, auth: 'none' }),
  exclusively,
  channel: openChannel(),
});

export const api: Api = new Api({
  fetch: (...request) => fetch(...request),
  clock: serverClock,
  now: () => Date.now(),
  language: () => document.documentElement.lang,
  accessToken: () => session.accessToken(),
  renew: () => session.renew().catch(() => false),
  solve: async (challenge) => (await import('./challenge')).solve(challenge),
  wait,
});
