/**
 * A table of what is shown: sortable, with a header that stays, and as a file.
 *
 * Guarantees: a screen reader hears how it is sorted and of every change of it; a table wider than its place is
 * scrolled with the keyboard too; the file holds what is shown, in its order.
 */
import { useId, useLayoutEffect, useRef, useState, type ReactNode, type RefObject } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { useLocale } from '../../i18n/locale';
import { save } from '../../tickets/download';
import { Button } from '../../ui/button';
import { LiveRegion } from '../../ui/toast';
import { csvOf } from '../csv';
import { nextSorting, sortedRows, tableOf, type Column, type Sorting } from './table';

export type { Column, Sorting };

export interface DataTableProps<Row> {
  readonly caption: string;
  /** A heading right above says the same. */
  readonly isCaptionHidden?: boolean;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  readonly sortedBy?: Sorting;
  /** For tables of many columns. */
  readonly isDense?: boolean;
  /** In place of a table without rows. */
  readonly empty?: ReactNode;
  /** Name of the file, without its ending; no file without. */
  readonly csv?: string;
  /** Fetches the file instead of making it of what is shown. */
  readonly onDownload?: () => Promise<void>;
  /** Of a row, for its looks. */
  readonly rowClass?: (row: Row) => string | undefined;
}

export function DataTable<Row>(props: DataTableProps<Row>): ReactNode {
  const { caption, isCaptionHidden = false, isDense = false, columns, rows, rowKey, empty } = props;
  const t = useOperatorText('table');
  const { code } = useLocale();
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const isScrolled = useIsWider(scroller);
  const [sorting, setSorting] = useState<Sorting | null>(props.sortedBy ?? null);
  const [said, setSaid] = useState('');
  const sorted = sortedRows(rows, columns, sorting, code);
  if (rows.length === 0) return <p className="operator-empty soft">{empty ?? t('empty')}</p>;
  const sortBy = (column: Column<Row>): void => {
    const next = nextSorting(column, sorting);
    setSorting(next);
    setSaid(t('sorted', { column: column.header, direction: next.direction }));
  };
  return (
    <div className={isDense ? 'data-table data-table-dense' : 'data-table'}>
      <div
        ref={scroller}
        className="data-table-scroll"
        role="region"
        aria-labelledby={id}
        tabIndex={isScrolled ? 0 : undefined}
      >
        <table>
          <caption id={id} className={isCaptionHidden ? 'visually-hidden' : undefined}>
            {caption}
          </caption>
          <thead>
            <tr>
              {columns.map((column) => (
                <HeaderCell
                  key={column.key}
                  column={column}
                  sorting={sorting}
                  onSort={() => sortBy(column)}
                />
              ))}
            </tr>
          </thead>
          <tbody>
            {sorted.map((row) => (
              <tr key={rowKey(row)} className={props.rowClass?.(row)}>
                {columns.map((column) => (
                  <Cell key={column.key} column={column} row={row} />
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <LiveRegion>{said}</LiveRegion>
      <Download {...props} rows={sorted} />
    </div>
  );
}

function HeaderCell<Row>(props: {
  readonly column: Column<Row>;
  readonly sorting: Sorting | null;
  readonly onSort: () => void;
}): ReactNode {
  const { column, sorting, onSort } = props;
  const className = column.isNumber ? 'number' : undefined;
  if (!column.sort) {
    return (
      <th scope="col" className={className}>
        {column.header}
      </th>
    );
  }
  const direction = sorting?.key === column.key ? sorting.direction : undefined;
  return (
    <th scope="col" className={className} aria-sort={direction}>
      <button type="button" className="data-table-sort" onClick={onSort}>
        {column.header}
        <svg viewBox="0 0 10 14" width="10" height="14" aria-hidden="true" data-direction={direction}>
          <path d="M5 1 9 6H1z" className="up" />
          <path d="M5 13 1 8h8z" className="down" />
        </svg>
      </button>
    </th>
  );
}

function Cell<Row>({ column, row }: { readonly column: Column<Row>; readonly row: Row }): ReactNode {
  const className = column.isNumber ? 'number' : column.isShort ? 'nowrap' : undefined;
  return column.isName ? (
    <th scope="row" className={className}>
      {column.cell(row)}
    </th>
  ) : (
    <td className={className}>{column.cell(row)}</td>
  );
}

function Download<Row>(props: DataTableProps<Row>): ReactNode {
  const { caption, csv, onDownload, columns, rows } = props;
  const t = useOperatorText('table');
  const [isBusy, setBusy] = useState(false);
  if (csv === undefined) return null;
  const make = async (): Promise<void> => {
    if (!onDownload) {
      save(new Blob([csvOf(tableOf(columns, rows))], { type: 'text/csv;charset=utf-8' }), `${csv}.csv`);
      return;
    }
    setBusy(true);
    await onDownload().finally(() => setBusy(false));
  };
  return (
    <p className="data-table-foot">
      <Button
        look="quiet"
        className="operator-small"
        isBusy={isBusy}
        aria-label={t('csvOf', { caption })}
        onClick={() => void make()}
      >
        {t('csv')}
      </Button>
    </p>
  );
}

/** Whether what is in an element is wider or higher than the element: then the keyboard must reach it. */
function useIsWider(element: RefObject<HTMLElement | null>): boolean {
  const [isWider, setWider] = useState(false);
  useLayoutEffect(() => {
    const { current } = element;
    if (!current) return undefined;
    const look = (): void =>
      setWider(
        current.scrollWidth > current.clientWidth + 1 || current.scrollHeight > current.clientHeight + 1,
      );
    const observer = new ResizeObserver(look);
    observer.observe(current);
    if (current.firstElementChild) observer.observe(current.firstElementChild);
    return () => observer.disconnect();
  });
  return isWider;
}
