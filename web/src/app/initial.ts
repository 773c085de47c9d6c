/** What the server put into the page for its first rendering in the browser. */
import { isRecord } from '../api/problem';
import type { MatchView } from '../api/types';

export interface Initial {
  /** Null when the shop did not answer; absent where no server rendered the page. */
  readonly matches?: readonly MatchView[] | null;
  /** When the page was rendered, by the server's clock. */
  readonly now: number;
  /** Of the public address of the shop, for canonical links. */
  readonly origin: string;
}

export const INITIAL_ID = 'initial';

/** JSON that cannot end the element it stands in. */
export function embeddedJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** From the document; without it, the page is one that no server rendered. */
export function readInitial(): Initial {
  const otherwise = { now: Date.now(), origin: location.origin };
  try {
    const value: unknown = JSON.parse(document.getElementById(INITIAL_ID)?.textContent ?? 'null');
    return isRecord(value) ? { ...otherwise, ...value } : otherwise;
  } catch {
    return otherwise;
  }
}
