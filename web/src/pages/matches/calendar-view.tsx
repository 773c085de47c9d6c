import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { timeZoneOf } from '../../data/stadiums';
import { LANGUAGES } from '../../i18n/languages';
import { useLocale, useText } from '../../i18n/locale';
import { Flag } from '../../ui/flag';
import { Intlized } from '../../ui/time';
import { monthsOf, weekdays } from './calendar';
import { searchOf, type Day, type Filters } from './filters';

/** Months with the matches of each day; on narrow screens a number that leads to the day's list. */
export function CalendarView(props: { readonly days: readonly Day[]; readonly filters: Filters }): ReactNode {
  const { days, filters } = props;
  const { code, format } = useLocale();
  const { weekStart } = LANGUAGES[code];
  const byDay = new Map(days.map((day) => [day.day, day]));
  return (
    <div className="stack">
      {monthsOf([...byDay.keys()], weekStart).map(({ month, weeks }) => (
        <table key={month} className="card calendar">
          <caption>
            <Intlized>{format.month(`${month}-01`, 'UTC')}</Intlized>
          </caption>
          <thead>
            <tr>
              {weekdays(weekStart).map((day) => (
                <th key={day} scope="col">
                  <Intlized className="calendar-wide">{format.weekday(day, 'UTC')}</Intlized>
                  <Intlized className="calendar-narrow">{format.weekdayNarrow(day, 'UTC')}</Intlized>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {weeks.map((week) => (
              <tr key={week.find((day) => day !== null)}>
                {week.map((day, index) =>
                  day === null ? (
                    <td key={index} />
                  ) : (
                    <DayCell key={index} day={day} found={byDay.get(day)} filters={filters} />
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      ))}
    </div>
  );
}

function DayCell(props: {
  readonly day: string;
  readonly found: Day | undefined;
  readonly filters: Filters;
}): ReactNode {
  const { day, found, filters } = props;
  const t = useText('matches');
  const notice = useText('notice');
  const { format, nameOf } = useLocale();
  const number = <span className="calendar-number">{format.number(Number(day.slice(8)))}</span>;
  if (!found) return <td>{number}</td>;
  const onDay = t('onDay', { count: found.matches.length });
  return (
    <td className="calendar-day">
      <Link
        className="calendar-open"
        to={{ search: searchOf({ ...filters, date: day, view: 'list' }) }}
        aria-label={`${format.day(day, 'UTC')}: ${onDay}`}
        suppressHydrationWarning
      >
        {number}
        <span className="calendar-count">{format.number(found.matches.length)}</span>
        <span className="calendar-count-long">{onDay}</span>
      </Link>
      <ul className="calendar-matches">
        {found.matches.map((match) => {
          const { matchNumber, homeTeam, awayTeam, dateUtc, location } = match;
          const isCancelled = match.notice?.kind === 'cancelled';
          const label = t('openFor', { home: nameOf(homeTeam), away: nameOf(awayTeam) });
          return (
            <li key={matchNumber}>
              <Link
                to={`/matches/${matchNumber}`}
                className={isCancelled ? 'calendar-cancelled' : undefined}
                aria-label={isCancelled ? `${label} (${notice('cancelledBadge')})` : label}
              >
                <Flag team={homeTeam} />
                <Flag team={awayTeam} />
                <Intlized>{format.time(dateUtc, timeZoneOf(location))}</Intlized>
              </Link>
            </li>
          );
        })}
      </ul>
    </td>
  );
}
