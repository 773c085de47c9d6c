/** What every page with a log-in or a log-out does. */
import type { QueryClient } from '@tanstack/react-query';
import { useQueryClient } from '@tanstack/react-query';
import { api, session } from '../api';
import type { LogIn } from '../api/types';

export interface Credentials {
  readonly email: string;
  readonly password: string;
  readonly totp?: string;
  readonly recoveryCode?: string;
}

/** The refresh token goes into a cookie that no script reads; the access token stays in memory. */
export async function logIn(credentials: Credentials): Promise<void> {
  const answer = await api.send<LogIn>({
    method: 'POST',
    path: '/sessions',
    body: { ...credentials, cookie: true },
    auth: 'none',
  });
  session.logged(answer);
}

/** Of nobody in particular. */
const PUBLIC: ReadonlySet<unknown> = new Set(['matches', 'payment-config', 'waiting-room']);

/** What was read for one person is not shown to the next. */
export function forgetPerson(client: QueryClient): void {
  client.removeQueries({ predicate: ({ queryKey }) => !PUBLIC.has(queryKey[0]) });
}

/** Throws when the server could not end the log-in: then it still stands. */
export function useLogOut(): (everywhere: boolean) => Promise<void> {
  const client = useQueryClient();
  return async (everywhere) => {
    await api.send({ method: 'DELETE', path: everywhere ? '/sessions/all' : '/sessions' });
    session.loggedOut();
    forgetPerson(client);
  };
}
