/** What the picture says, in words: the first thing to read, and for many the only one. */
import type { ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { useFigures } from '../figures';
import { useSeriesName } from './names';
import type { Measure } from './range';
import { findingOf } from './series';
import type { Sales } from './types';

export const FINDING_ID = 'sales-finding';

/** Changes below this are called none. */
const CHANGE_MIN = 0.02;

export function Finding({ sales, measure }: { readonly sales: Sales; readonly measure: Measure }): ReactNode {
  return (
    <p id={FINDING_ID} className="finding">
      {useSentences(sales, measure).join(' ')}
    </p>
  );
}

function useSentences(sales: Sales, measure: Measure): readonly string[] {
  const t = useOperatorText('sales');
  const figures = useFigures();
  const nameOf = useSeriesName(sales.by);
  const { total, peak, change, leader } = findingOf(sales, measure);
  if (!peak) return [t('findings.nothing')];
  const amount = (value: number): string =>
    measure === 'sold' ? t('tickets', { count: value }) : figures.minor(value, sales.currency);
  const at = sales.bucket === 'day' ? figures.dayShort(peak.at, 'UTC') : figures.moment(peak.at, 'UTC');
  const sentences = [t('findings.total', { amount: amount(total), at, peak: amount(peak.value) })];
  if (leader)
    sentences.push(t('findings.leader', { name: nameOf(leader.line), part: figures.percent(leader.part) }));
  if (change !== null) {
    const direction = Math.abs(change) < CHANGE_MIN ? 'same' : change > 0 ? 'more' : 'less';
    sentences.push(t(`findings.${direction}`, { part: figures.percent(Math.abs(change)) }));
  }
  return sentences;
}
