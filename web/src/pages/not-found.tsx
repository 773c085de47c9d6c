/** For addresses that lead nowhere. */
import type { ReactNode } from 'react';
import { useStatus } from '../app/environment';
import { Head } from '../app/head';
import { useText } from '../i18n/locale';
import { ButtonLink } from '../ui/button';

export default function NotFoundPage(): ReactNode {
  const t = useText('notFound');
  useStatus(404);
  return (
    <div className="empty">
      <Head title={t('title')} noIndex />
      <h1>{t('title')}</h1>
      <p>{t('body')}</p>
      <ButtonLink to="/">{t('action')}</ButtonLink>
    </div>
  );
}
