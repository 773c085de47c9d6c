/** Registers what opens this page without a network (check-in/worker.ts), in every language. */
import { useEffect, useState } from 'react';
import { LANGUAGE_CODES, localized } from '../../i18n/languages';

const SCRIPT = '/check-in-worker.js';

/** Whether the page would open now without a network. */
export function useOfflinePage(): boolean {
  const [isReady, setReady] = useState(false);
  useEffect(() => {
    const workers = (navigator as Partial<Navigator>).serviceWorker;
    // While developing there are no files with names of their own to keep.
    if (!workers || import.meta.env.DEV) return undefined;
    let isWanted = true;
    for (const code of LANGUAGE_CODES) {
      const scope = localized(code, '/check-in');
      // Tried again the next time the page is opened.
      workers.register(SCRIPT, { scope, updateViaCache: 'none' }).catch(() => undefined);
    }
    void workers.ready.then(() => {
      if (isWanted) setReady(true);
    });
    return () => {
      isWanted = false;
    };
  }, []);
  return isReady;
}
