/** Whether what is shown is live, and if not, since when it is old. */
import type { ReactNode } from 'react';
import { useLocale, useText } from '../i18n/locale';
import type { FeedState } from '../live/feed';

export function LiveBar({ state }: { readonly state: FeedState }): ReactNode {
  const t = useText('live');
  const { format } = useLocale();
  const text = (): string => {
    if (state.kind !== 'reconnecting') return t(state.kind);
    return state.lastHeardAt === null
      ? t('staleNever')
      : t('stale', { time: format.clock(state.lastHeardAt) });
  };
  return (
    <p className={`live live-${state.kind}`} role="status">
      <span className="live-dot" aria-hidden="true" />
      <span>{text()}</span>
    </p>
  );
}
