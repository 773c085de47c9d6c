/** The numbers of the picture as tables. */
import type { ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { minorPerUnit, useFigures } from '../figures';
import { DataTable, type Column } from '../ui/data-table';
import { Minor } from '../ui/money';
import { Section } from '../ui/section';
import { useSeriesName } from './names';
import type { Measure } from './range';
import { bucketsOf, linesOf, rowsOf, sumOfFigures, type BucketRow } from './series';
import type { Sales, SalesFigures, SalesSeries } from './types';

/** Columns of money and tickets that both tables have. */
function useFigureColumns(sales: Sales): readonly Column<SalesFigures>[] {
  const t = useOperatorText('sales');
  const figures = useFigures();
  const { currency } = sales;
  const unit = minorPerUnit(currency);
  const count = (key: 'sold' | 'refunded' | 'soldElsewhere'): Column<SalesFigures> => ({
    key,
    header: t(key),
    cell: (row) => figures.number(row[key] ?? 0),
    sort: (row) => row[key] ?? 0,
    isNumber: true,
  });
  const money = (key: string, header: string, of: (row: SalesFigures) => number): Column<SalesFigures> => ({
    key,
    header,
    cell: (row) => <Minor amountMinor={of(row)} currency={currency} />,
    sort: of,
    csv: (row) => of(row) / unit,
    isNumber: true,
  });
  return [
    count('sold'),
    count('refunded'),
    money('revenue', t('revenue'), (row) => row.revenueMinor),
    money('moneyBack', t('moneyBack'), (row) => row.refundedMinor),
    money('net', t('net'), (row) => row.revenueMinor - row.refundedMinor),
    ...(sales.by === 'country' || sales.by === 'marketplace' ? [] : [count('soldElsewhere')]),
  ];
}

/** One row for each match, category, country or marketplace. */
export function BySeries({ sales }: { readonly sales: Sales }): ReactNode {
  const t = useOperatorText('sales');
  const figures = useFigures();
  const nameOf = useSeriesName(sales.by);
  const shared = useFigureColumns(sales);
  const unit = minorPerUnit(sales.currency);
  // Of all marketplaces together; the totals of the answer are ours alone.
  const { sold } = sumOfFigures(sales.series.map(({ totals }) => totals));
  const partOf = ({ totals }: SalesSeries): number => (sold === 0 ? 0 : totals.sold / sold);
  const columns: Column<SalesSeries>[] = [
    { key: 'name', header: t(`splits.${sales.by}`), cell: nameOf, sort: nameOf, isName: true },
    ...shared.map((column) => ofTotals(column)),
    {
      key: 'part',
      header: t('part'),
      cell: (row) => figures.percent(partOf(row)),
      sort: partOf,
      isNumber: true,
    },
  ];
  if (sales.by === 'marketplace') {
    columns.push({
      key: 'worth',
      header: t('worth'),
      cell: ({ totals }) => <Minor amountMinor={totals.valueMinor ?? 0} currency={sales.currency} />,
      sort: ({ totals }) => totals.valueMinor ?? 0,
      csv: ({ totals }) => (totals.valueMinor ?? 0) / unit,
      isNumber: true,
    });
  }
  const title = t(`tables.${sales.by}`);
  return (
    <Section title={title}>
      <DataTable
        caption={title}
        isCaptionHidden
        columns={columns}
        rows={sales.series}
        rowKey={({ key }) => key}
        sortedBy={{ key: 'sold', direction: 'descending' }}
        empty={t('findings.nothing')}
        csv={`sales-by-${sales.by}`}
      />
    </Section>
  );
}

function ofTotals({ cell, sort, csv, ...rest }: Column<SalesFigures>): Column<SalesSeries> {
  return {
    ...rest,
    cell: ({ totals }) => cell(totals),
    ...(sort && { sort: ({ totals }: SalesSeries) => sort(totals) }),
    ...(csv && { csv: ({ totals }: SalesSeries) => csv(totals) }),
  };
}

/** One row for each day or hour; with a split, one column for each line of the picture. */
export function ByTime({ sales, measure }: { readonly sales: Sales; readonly measure: Measure }): ReactNode {
  const t = useOperatorText('sales');
  const figures = useFigures();
  const shared = useFigureColumns(sales);
  const split = useLineColumns(sales, measure);
  const timeOf = (at: number): string =>
    sales.bucket === 'day' ? figures.dayShort(at, 'UTC') : figures.moment(at, 'UTC');
  const time: Column<{ readonly at: number }> = {
    key: 'at',
    header: t(`buckets.${sales.bucket}`),
    cell: ({ at }) => timeOf(at),
    sort: ({ at }) => at,
    csv: ({ at }) => new Date(at).toISOString(),
    isName: true,
  };
  const title = t(sales.bucket === 'day' ? 'byDay' : 'byHour');
  const more = {
    caption: title,
    isCaptionHidden: true,
    sortedBy: { key: 'at', direction: 'descending' },
    csv: `sales-by-${sales.bucket}`,
    rowKey: ({ at }: { readonly at: number }) => String(at),
  } as const;
  return (
    <Section
      title={title}
      about={sales.by === 'none' ? t('inUtc') : t('inUtcOf', { measure: t(`measures.${measure}`) })}
    >
      {sales.by === 'none' ? (
        <DataTable<BucketRow> {...more} columns={[time, ...shared]} rows={rowsOf(sales)} />
      ) : (
        <DataTable<LineRow> {...more} columns={[time, ...split.columns]} rows={split.rows} />
      )}
    </Section>
  );
}

interface LineRow {
  readonly at: number;
  readonly values: readonly number[];
}

function useLineColumns(
  sales: Sales,
  measure: Measure,
): { readonly columns: readonly Column<LineRow>[]; readonly rows: readonly LineRow[] } {
  const figures = useFigures();
  const nameOf = useSeriesName(sales.by);
  const lines = linesOf(sales, measure);
  const unit = measure === 'sold' ? 1 : minorPerUnit(sales.currency);
  return {
    columns: lines.map((line, i) => ({
      key: `line-${line.key}`,
      header: nameOf(line),
      cell: ({ values }: LineRow) =>
        measure === 'sold' ? (
          figures.number(values[i] ?? 0)
        ) : (
          <Minor amountMinor={values[i] ?? 0} currency={sales.currency} />
        ),
      sort: ({ values }: LineRow) => values[i] ?? 0,
      csv: ({ values }: LineRow) => (values[i] ?? 0) / unit,
      isNumber: true as const,
    })),
    rows: bucketsOf(sales).map((at, row) => ({ at, values: lines.map(({ values }) => values[row] ?? 0) })),
  };
}
