/** The sums of the whole range. */
import type { ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { useFigures } from '../figures';
import { Minor } from '../ui/money';
import { Tile, Tiles } from '../ui/tiles';
import type { Sales } from './types';

export function Totals({ sales: { totals, currency } }: { readonly sales: Sales }): ReactNode {
  const t = useOperatorText('sales');
  const figures = useFigures();
  const { sold, refunded, revenueMinor, refundedMinor } = totals;
  return (
    <Tiles>
      <Tile name={t('sold')}>{figures.number(sold)}</Tile>
      <Tile
        name={t('refunded')}
        note={sold > 0 ? t('ofSold', { part: figures.percent(refunded / sold) }) : undefined}
      >
        {figures.number(refunded)}
      </Tile>
      <Tile name={t('revenue')}>
        <Minor amountMinor={revenueMinor} currency={currency} />
      </Tile>
      <Tile name={t('moneyBack')}>
        <Minor amountMinor={refundedMinor} currency={currency} />
      </Tile>
      <Tile name={t('net')}>
        <Minor amountMinor={revenueMinor - refundedMinor} currency={currency} />
      </Tile>
      {totals.soldElsewhere !== undefined && (
        <Tile name={t('soldElsewhere')} note={t('elsewhereNote')}>
          {figures.number(totals.soldElsewhere)}
        </Tile>
      )}
    </Tiles>
  );
}
