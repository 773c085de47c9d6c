/** A convenience on this device: the address that a guest bought, or waits, with. */
import { browserStorage } from '../api/storage';

const KEY = 'ticktak.email';

export const rememberedEmail = (): string =>
  typeof window === 'undefined' ? '' : (browserStorage.get(KEY) ?? '');

export const rememberEmail = (email: string): void => browserStorage.set(KEY, email);
