/** A sentence of a server or of the payment provider: they write English, whatever the language of the page. */
import type { ReactNode } from 'react';

export function ServerWords({ children }: { readonly children: string }): ReactNode {
  return (
    <p className="small breakable" lang="en" dir="ltr">
      {children}
    </p>
  );
}
