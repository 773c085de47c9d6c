/** Storage of the browser that may be full, forbidden or absent: then it lasts as long as the page. */
export interface KeyValues {
  get(key: string): string | null;
  set(key: string, value: string): void;
  remove(key: string): void;
}

export function memoryStorage(): KeyValues {
  const values = new Map<string, string>();
  return {
    get: (key) => values.get(key) ?? null,
    set: (key, value) => void values.set(key, value),
    remove: (key) => void values.delete(key),
  };
}

/** `open` throws where storage is forbidden. What could not be stored is kept in memory. */
export function safeStorage(open: () => Storage): KeyValues {
  const memory = memoryStorage();
  const attempt = <T>(run: (storage: Storage) => T, otherwise: T): T => {
    try {
      return run(open());
    } catch {
      return otherwise;
    }
  };
  return {
    get: (key) => memory.get(key) ?? attempt((storage) => storage.getItem(key), null),
    set: (key, value) => {
      const stored = attempt((storage) => {
        storage.setItem(key, value);
        return true;
      }, false);
      if (stored) memory.remove(key);
      else memory.set(key, value);
    },
    remove: (key) => {
      memory.remove(key);
      attempt((storage) => storage.removeItem(key), undefined);
    },
  };
}

/** Of this tab, reloads included. */
export const tabStorage = safeStorage(() => sessionStorage);
/** Of this browser. */
export const browserStorage = safeStorage(() => localStorage);
