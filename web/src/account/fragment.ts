/**
 * The token of a link in a mail. It stands in the fragment, which browsers send to nobody; it is taken out of the
 * address at once, so that it is in no history and no shared link, and kept for this tab, so that a log-in in between
 * or a reload does not lose it.
 */
import { tabStorage } from '../api/storage';

const TOKEN = /^[\w-]{20,200}$/;

/** Null when the address had none and none is kept. `purpose` names the page. */
export function takeToken(purpose: 'confirm' | 'reset'): string | null {
  const key = `ticktak.mailed.${purpose}`;
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (location.hash !== '') history.replaceState(history.state, '', location.pathname + location.search);
  if (token !== null && TOKEN.test(token)) tabStorage.set(key, token);
  return tabStorage.get(key);
}

/** It was used, or is of no use. */
export function dropToken(purpose: 'confirm' | 'reset'): void {
  tabStorage.remove(`ticktak.mailed.${purpose}`);
}
