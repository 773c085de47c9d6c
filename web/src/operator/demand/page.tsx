/**
 * When each category of each match sells out, and what other marketplaces took beyond what there was.
 *
 * Guarantees: a forecast is never shown without its interval; where there is none, it is said why.
 */
import { useState, type ReactNode } from 'react';
import { useSearchParams } from 'react-router';
import { api, asProblem, type ApiProblem } from '../../api';
import { useMatches } from '../../live/matches';
import { useOperatorText } from '../../i18n/operator';
import { save } from '../../tickets/download';
import { Button } from '../../ui/button';
import { Select } from '../../ui/field';
import { ErrorPanel, Notice } from '../../ui/panels';
import { useRead, type Question } from '../data';
import { useFigures } from '../figures';
import { useMatchName } from '../sales/names';
import { Check } from '../ui/check';
import { PageTitle } from '../ui/page-title';
import { Section } from '../ui/section';
import { Sign } from '../ui/verdict';
import { BarLegend } from './bar';
import { DeficitTable, ForecastTable, OversubscriberTable } from './tables';
import { OUTLOOKS, type Demand } from './types';
import { filtersOf, searchOf, shownOf, type DemandFilters } from './view';
import './demand.css';

const READ_MS = 60_000;

export default function DemandPage(): ReactNode {
  const t = useOperatorText('demand');
  const figures = useFigures();
  const [search, setSearch] = useSearchParams();
  const filters = filtersOf(search);
  const { match } = filters;
  const question: Question = {
    path: '/operations/demand',
    query: { match: match === '' ? undefined : match },
  };
  const read = useRead<Demand>(question, { everyMs: READ_MS });
  const { data: demand } = read;
  const shown = demand ? shownOf(demand.tickets, filters) : [];
  return (
    <div className="stack demand-tables">
      <PageTitle title={t('title')} />
      <Filters filters={filters} onChange={(next) => setSearch(searchOf(next), { replace: true })} />
      <Section
        title={t('forecasts')}
        about={t('about')}
        read={read}
        asOf={demand?.at}
        actions={<ServerFile question={question} />}
      >
        {demand && (
          <>
            {!demand.isComplete && (
              <Notice tone="warn" title={t('partialTitle')}>
                {demand.asOf !== null && <p>{t('partialBody', { time: figures.stamp(demand.asOf) })}</p>}
              </Notice>
            )}
            {demand.more && <Notice tone="warn" title={t('more')} />}
            <div className="demand-above">
              <p role="status" className="soft">
                {t('shown', { shown: shown.length, all: demand.tickets.length })}
              </p>
              <BarLegend />
            </div>
            <ForecastTable tickets={shown} at={demand.at} />
          </>
        )}
      </Section>
      {demand && (
        <>
          <Section title={t('deficits')} about={t('deficitsAbout')}>
            <DeficitTable tickets={shown} />
          </Section>
          <Section title={t('oversubscribers')} about={t('oversubscribersAbout')}>
            <OversubscriberTable rows={demand.oversubscribers} />
          </Section>
        </>
      )}
    </div>
  );
}

function Filters(props: {
  readonly filters: DemandFilters;
  readonly onChange: (filters: DemandFilters) => void;
}): ReactNode {
  const { filters, onChange } = props;
  const t = useOperatorText('demand');
  const matchName = useMatchName();
  const { matches } = useMatches();
  const numbers = new Set(matches?.map(({ matchNumber }) => String(matchNumber)));
  // What is chosen stays in its list while the matches are not known.
  if (filters.match !== '') numbers.add(filters.match);
  return (
    <div className="operator-filters" role="group" aria-label={t('filters')}>
      <Select
        label={t('match')}
        value={filters.match}
        onChange={(event) => onChange({ ...filters, match: event.target.value })}
      >
        <option value="">{t('every')}</option>
        {[...numbers].map((number) => (
          <option key={number} value={number}>
            {matchName(Number(number))}
          </option>
        ))}
      </Select>
      <Select
        label={t('outlook')}
        value={filters.outlook}
        onChange={(event) =>
          onChange({ ...filters, outlook: OUTLOOKS.find((one) => one === event.target.value) ?? '' })
        }
      >
        <option value="">{t('every')}</option>
        {OUTLOOKS.map((outlook) => (
          <option key={outlook} value={outlook}>
            {t(`outlooks.${outlook}`)}
          </option>
        ))}
      </Select>
      <Check
        isChecked={filters.isOversubscribed}
        onChange={(isOversubscribed) => onChange({ ...filters, isOversubscribed })}
      >
        <Sign kind="look" /> {t('onlyOversubscribed')}
      </Check>
    </div>
  );
}

/** All the numbers, from the server. */
function ServerFile({ question }: { readonly question: Question }): ReactNode {
  const t = useOperatorText('demand');
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const fetchFile = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const { path, query = {} } = question;
      save(await api.file({ path, query: { ...query, format: 'csv' } }), 'demand.csv');
    } catch (error) {
      setProblem(asProblem(error));
    }
    setBusy(false);
  };
  return (
    <>
      <Button look="quiet" className="operator-small" isBusy={isBusy} onClick={() => void fetchFile()}>
        {t('file')}
      </Button>
      {problem && <ErrorPanel problem={problem} />}
    </>
  );
}
