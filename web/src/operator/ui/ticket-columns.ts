/** The columns that name the ticket of a row: its match and category. */
import { useFigures } from '../figures';
import { useMatchName } from '../sales/names';
import type { Column } from './table';

interface OfTicket {
  readonly matchNumber: number;
  readonly category: number;
}

/** Sorted by match, categories stay in their order. */
export function useTicketColumns<Row extends OfTicket>(match: string, category: string): Column<Row>[] {
  const figures = useFigures();
  const matchName = useMatchName();
  return [
    {
      key: 'match',
      header: match,
      cell: (row) => matchName(row.matchNumber),
      sort: (row) => row.matchNumber * 10 + row.category,
      csv: (row) => row.matchNumber,
      isName: true,
    },
    {
      key: 'category',
      header: category,
      cell: (row) => figures.number(row.category),
      sort: (row) => row.category,
      isNumber: true,
    },
  ];
}
