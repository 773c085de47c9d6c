/** A forecast as a sentence, in the time of this machine. */
import { useOperatorText } from '../../i18n/operator';
import { useFigures } from '../figures';
import type { TicketDemand } from './types';

/** So soon, the hour matters. */
const HOURS_MATTER_MS = 3 * 24 * 3_600_000;

/** `at`: when the forecast was made. */
export function useForecastWords(at: string): (ticket: TicketDemand) => string {
  const t = useOperatorText('demand');
  const figures = useFigures();
  const when = (time: string): string =>
    Date.parse(time) - Date.parse(at) < HOURS_MATTER_MS
      ? figures.moment(time)
      : figures.dayMonth(Date.parse(time));
  return (ticket) => {
    const { outlook, earliest, median, latest, isPastKickoff, endsAt } = ticket;
    if (outlook !== 'forecast') return t(`outlooks.${outlook}`);
    const end = isPastKickoff ? t('notBefore', { day: when(endsAt) }) : t('notBeforeKickoff');
    if (!earliest) return end;
    const from = when(earliest);
    if (!median) return t('perhaps', { end, from });
    const about = when(median);
    return latest ? t('between', { about, from, to: when(latest) }) : t('betweenOpen', { about, from });
  };
}
