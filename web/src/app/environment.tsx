/** What a page knows about where and when it is shown. */
import { createContext, use, useSyncExternalStore } from 'react';

export interface Environment {
  /** Of the public address, without a slash at its end. */
  readonly origin: string;
  /** The server's time of the first rendering, milliseconds. */
  readonly renderedAt: number;
  /** Set by pages while they are rendered on the server. */
  readonly answer: { status: number };
}

export const EnvironmentContext = createContext<Environment>({
  origin: '',
  renderedAt: 0,
  answer: { status: 200 },
});

export const useEnvironment = (): Environment => use(EnvironmentContext);

/** The HTTP status of the page, when it is rendered on the server. */
export function useStatus(status: number): void {
  const { answer } = useEnvironment();
  // Rendering is synchronous there, and the answer is made after it.
  if (typeof window === 'undefined' && status !== 200) setStatus(answer, status);
}

function setStatus(answer: { status: number }, status: number): void {
  answer.status = status;
}

const never = (): (() => void) => () => undefined;

/** False on the server and in the browser's first rendering, which must be alike; true from then on. */
export function useHydrated(): boolean {
  return useSyncExternalStore(
    never,
    () => true,
    () => false,
  );
}
