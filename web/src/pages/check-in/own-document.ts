/**
 * The server lets the camera be used in the document of this page alone. Who came from another page by a link of the
 * app is still in that page's document: it is loaded anew, once.
 */
import { useEffect } from 'react';

export function useOwnDocument(): void {
  useEffect(() => {
    const [loaded] = performance.getEntriesByType('navigation');
    if (loaded && pathOf(loaded.name) !== pathOf(location.href)) location.reload();
  }, []);
}

const pathOf = (url: string): string => new URL(url, location.href).pathname;
