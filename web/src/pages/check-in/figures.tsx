/** How many were let in. */
import type { ReactNode } from 'react';
import type { Snapshot } from '../../check-in/station';
import { useCheckInText } from '../../i18n/check-in';
import { useLocale } from '../../i18n/locale';
import { Card } from '../../ui/panels';
import { AllConflicts } from './conflicts';
import { useMoment } from './parts';

export function Figures(props: {
  readonly snapshot: Snapshot;
  readonly onResolve: (id: string, note: string) => Promise<void>;
}): ReactNode {
  const { snapshot, onResolve } = props;
  const t = useCheckInText('figures');
  const { format } = useLocale();
  const moment = useMoment();
  const { admittedHere, counts, allConflicts } = snapshot;
  const share = ({ admitted, sold }: { readonly admitted: number; readonly sold: number }): string =>
    t('allOf', { admitted: format.number(admitted), sold: format.number(sold) });
  return (
    <Card className="stack">
      <h2>{t('title')}</h2>
      <dl className="gate-figures">
        <div className="gate-figure">
          <dt>{t('here')}</dt>
          <dd>{format.number(admittedHere)}</dd>
        </div>
        <div className="gate-figure">
          <dt>{t('all')}</dt>
          <dd>{counts ? share(counts.value) : t('allUnknown')}</dd>
        </div>
        {counts?.value.byCategory.map((one) => (
          <div key={one.category}>
            <dt>{t('category', { category: one.category })}</dt>
            <dd>{share(one)}</dd>
          </div>
        ))}
      </dl>
      {counts && <p className="soft small">{t('asOf', { time: moment(counts.at) })}</p>}
      {allConflicts && <AllConflicts conflicts={allConflicts} onResolve={onResolve} />}
    </Card>
  );
}
