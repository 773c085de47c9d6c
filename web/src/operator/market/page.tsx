/**
 * What other marketplaces left undecided.
 *
 * Guarantees: before each decision it says in numbers what becomes of the counters, and afterwards what the actor has
 * done; a suspicion is called one.
 */
import type { ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { PageTitle } from '../ui/page-title';
import { OrphansSection } from './orphans';
import { RemoteHoldsSection } from './remote-holds';

export default function MarketPage(): ReactNode {
  const t = useOperatorText('market');
  return (
    <div className="stack">
      <PageTitle title={t('title')} />
      <OrphansSection />
      <RemoteHoldsSection />
    </div>
  );
}
