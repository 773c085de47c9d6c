/** Who is logged in, for components. */
import { useEffect, useSyncExternalStore } from 'react';
import { session } from '../api';
import type { SessionState } from '../api/session';

/** Whether it is an operator, as far as the account says: the API decides anew with each request. */
export const isOperator = (who: SessionState): boolean =>
  who.kind === 'account' && who.account.roles.includes('operator');

/** Whether it checks tickets at a gate; the same holds. */
export const isSteward = (who: SessionState): boolean =>
  who.kind === 'account' && who.account.roles.some((role) => role === 'steward' || role === 'operator');

const UNKNOWN: SessionState = { kind: 'unknown' };

/** How often it is asked again while the server does not say who it is. */
const AGAIN_MS = 5_000;

/** Finds out who it is; `unknown` until then, and on the server. */
export function useSession(): SessionState {
  useEffect(() => {
    const restore = (): void => void session.restore();
    restore();
    const timer = setInterval(restore, AGAIN_MS);
    window.addEventListener('online', restore);
    return () => {
      clearInterval(timer);
      window.removeEventListener('online', restore);
    };
  }, []);
  return useSyncExternalStore(
    session.subscribe,
    () => session.state,
    () => UNKNOWN,
  );
}
