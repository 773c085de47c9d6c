/** The way through a list that is read page by page. */
import type { ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { useLocale } from '../../i18n/locale';
import { Button } from '../../ui/button';
import type { Place } from '../data';

/** Nothing for a list of one page. `caption`: of what it is. */
export function Pager(props: { readonly place: Place; readonly caption: string }): ReactNode {
  const { place, caption } = props;
  const t = useOperatorText('table');
  const { format } = useLocale();
  if (!place.previous && !place.next) return null;
  return (
    <nav className="row" aria-label={t('pager', { caption })}>
      <Button look="secondary" disabled={!place.previous} onClick={() => place.previous?.()}>
        {t('previous')}
      </Button>
      <span aria-live="polite">{t('page', { number: format.number(place.number) })}</span>
      <Button look="secondary" disabled={!place.next} onClick={() => place.next?.()}>
        {t('next')}
      </Button>
    </nav>
  );
}
