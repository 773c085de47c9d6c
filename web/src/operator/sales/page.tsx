/**
 * Sales and revenue over time. Totals and tables are shown as soon as the numbers are there; the picture of the same
 * numbers comes with a library of its own, after them.
 */
import { lazy, Suspense, useDeferredValue, useState, type ReactNode } from 'react';
import { useSearchParams } from 'react-router';
import { api, asProblem, serverClock, type ApiProblem } from '../../api';
import { useOperatorText } from '../../i18n/operator';
import { save } from '../../tickets/download';
import { Button } from '../../ui/button';
import { ErrorPanel, Notice } from '../../ui/panels';
import { useRead, type Question } from '../data';
import { useFigures } from '../figures';
import { PartBoundary } from '../ui/part-boundary';
import { PageTitle } from '../ui/page-title';
import { Section } from '../ui/section';
import { Finding } from './finding';
import { Filters } from './filters';
import { faultOf, questionOf, searchOf, viewOf, type SalesView } from './range';
import { ByTime, BySeries } from './tables';
import { Totals } from './totals';
import type { Sales } from './types';
import './sales.css';

/** The library of the picture keeps the browser busy: not before the numbers are drawn. */
const SalesChart = lazy(async () => {
  await drawn();
  return import('./chart');
});

function drawn(): Promise<void> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve));
  });
}

export default function SalesPage(): ReactNode {
  const t = useOperatorText('sales');
  const [search, setSearch] = useSearchParams();
  const view = viewOf(search);
  const [now] = useState(() => serverClock.now());
  const fault = faultOf(view);
  return (
    <div className="stack">
      <PageTitle title={t('title')} />
      <Filters view={view} fault={fault} onChange={(next) => setSearch(searchOf(next))} />
      {fault === null ? (
        <Shown view={view} question={questionOf(view, now)} />
      ) : (
        <p className="operator-empty soft">{t('chooseRange')}</p>
      )}
    </div>
  );
}

function Shown({ view, question }: { readonly view: SalesView; readonly question: Question }): ReactNode {
  const t = useOperatorText('sales');
  const figures = useFigures();
  const read = useRead<Sales>(question);
  const { data: sales } = read;
  // The totals are what is looked for first: they do not wait for the tables to be made.
  const detailed = useDeferredValue(sales);
  return (
    <>
      <Section
        title={t('totals')}
        read={read}
        asOf={sales?.asOf}
        actions={<ServerFile question={question} />}
      >
        {sales && (
          <>
            {!sales.isComplete && (
              <Notice tone="warn" title={t('partialTitle')}>
                <p>{t('partialBody', { time: figures.stamp(sales.asOf) })}</p>
              </Notice>
            )}
            {sales.otherCurrencies && sales.otherCurrencies.length > 0 && (
              <Notice tone="warn" title={t('otherCurrencies', { list: sales.otherCurrencies.join(', ') })} />
            )}
            <Totals sales={sales} />
          </>
        )}
      </Section>
      {detailed && (
        <>
          <Section
            title={t(view.measure === 'sold' ? 'soldOverTime' : 'revenueOverTime')}
            about={detailed.by === 'marketplace' && view.measure === 'revenue' ? t('worthNote') : undefined}
          >
            <Finding sales={detailed} measure={view.measure} />
            <PartBoundary otherwise={t('chartMissing')}>
              <Suspense fallback={<div className="sales-chart-place" />}>
                <SalesChart sales={detailed} measure={view.measure} />
              </Suspense>
            </PartBoundary>
          </Section>
          {detailed.by !== 'none' && <BySeries sales={detailed} />}
          <ByTime sales={detailed} measure={view.measure} />
        </>
      )}
    </>
  );
}

/** All the numbers of the view, from the server. */
function ServerFile({ question }: { readonly question: Question }): ReactNode {
  const t = useOperatorText('sales');
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const fetchFile = async (): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const { path, query = {} } = question;
      const { from, by } = query;
      const file = await api.file({ path, query: { ...query, format: 'csv' } });
      save(file, `sales-${String(from).slice(0, 10)}-by-${String(by)}.csv`);
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
