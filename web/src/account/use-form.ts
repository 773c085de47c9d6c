/** A form's request: busy while it runs, what was refused, and the focus on the first field that is wrong. */
import { useState, type SyntheticEvent } from 'react';
import { asProblem, type ApiProblem } from '../api';

export interface Form<F extends string> {
  readonly isBusy: boolean;
  readonly problem: ApiProblem | null;
  readonly wrong: ReadonlySet<F>;
  /** `faults`: fields that cannot be sent so, in their order; `send` is called only when there are none. */
  readonly submit: (
    event: SyntheticEvent<HTMLFormElement>,
    faults: readonly F[],
    send: () => Promise<void>,
  ) => void;
  /** The person is changing a field. */
  readonly touched: (field: F) => void;
  readonly clear: () => void;
}

export function useForm<F extends string>(): Form<F> {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const [wrong, setWrong] = useState<ReadonlySet<F>>(new Set());
  const run = async (send: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      await send();
    } catch (error) {
      setProblem(asProblem(error));
    }
    setBusy(false);
  };
  return {
    isBusy,
    problem,
    wrong,
    submit: (event, faults, send) => {
      event.preventDefault();
      if (isBusy) return;
      setWrong(new Set(faults));
      const [first] = faults;
      if (first === undefined) void run(send);
      else event.currentTarget.querySelector<HTMLElement>(`[name="${first}"]`)?.focus();
    },
    touched: (field) => {
      if (wrong.has(field)) setWrong(new Set([...wrong].filter((one) => one !== field)));
    },
    clear: () => setProblem(null),
  };
}
