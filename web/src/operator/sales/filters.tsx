/** What to show: a range, a split, and what is counted. A choice takes effect at once. */
import type { ReactNode } from 'react';
import { useOperatorText } from '../../i18n/operator';
import { Field, Select } from '../../ui/field';
import { mayBeHourly, MEASURES, RANGES, type faultOf, type SalesView } from './range';
import { BUCKETS, SPLITS } from './types';

export function Filters(props: {
  readonly view: SalesView;
  readonly fault: ReturnType<typeof faultOf>;
  readonly onChange: (view: SalesView) => void;
}): ReactNode {
  const { view, fault, onChange } = props;
  const t = useOperatorText('sales');
  const error = fault === 'order' || fault === 'long' ? t(`faults.${fault}`) : undefined;
  return (
    <div className="operator-filters" role="group" aria-label={t('filters')}>
      <Choice
        label={t('range')}
        value={view.range}
        among={RANGES}
        text={(range) => t(`ranges.${range}`)}
        onChange={(range) => onChange({ ...view, range })}
      />
      {view.range === 'custom' && (
        <>
          <Field
            type="date"
            label={t('from')}
            value={view.from}
            onChange={(event) => onChange({ ...view, from: event.target.value })}
          />
          <Field
            type="date"
            label={t('to')}
            error={error}
            value={view.to}
            onChange={(event) => onChange({ ...view, to: event.target.value })}
          />
        </>
      )}
      <Choice
        label={t('by')}
        value={view.by}
        among={SPLITS}
        text={(by) => t(`splits.${by}`)}
        onChange={(by) => onChange({ ...view, by })}
      />
      <Choice
        label={t('show')}
        value={view.measure}
        among={MEASURES}
        text={(measure) => t(`measures.${measure}`)}
        onChange={(measure) => onChange({ ...view, measure })}
      />
      {mayBeHourly(view) && (
        <Choice
          label={t('bucket')}
          value={view.bucket}
          among={BUCKETS}
          text={(bucket) => t(`buckets.${bucket}`)}
          onChange={(bucket) => onChange({ ...view, bucket })}
        />
      )}
    </div>
  );
}

function Choice<T extends string>(props: {
  readonly label: string;
  readonly value: T;
  readonly among: readonly T[];
  readonly text: (one: T) => string;
  readonly onChange: (value: T) => void;
}): ReactNode {
  const { label, value, among, text, onChange } = props;
  return (
    <Select
      label={label}
      value={value}
      onChange={(event) => {
        const chosen = among.find((one) => one === event.target.value);
        if (chosen !== undefined) onChange(chosen);
      }}
    >
      {among.map((one) => (
        <option key={one} value={one}>
          {text(one)}
        </option>
      ))}
    </Select>
  );
}
