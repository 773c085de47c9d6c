/** Says that something is being loaded, to everyone. */
import type { ReactNode } from 'react';
import { useText } from '../i18n/locale';

export function Spinner({ label }: { readonly label?: string }): ReactNode {
  const t = useText('common');
  return (
    <p className="spinner" role="status">
      <span className="spinner-wheel" aria-hidden="true" />
      {label ?? t('loading')}
    </p>
  );
}
