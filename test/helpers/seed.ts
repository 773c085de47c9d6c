/** Property tests try the same cases in every run; another PROPERTY_SEED tries others. */
export const PROPERTY_SEED = Number(process.env['PROPERTY_SEED'] ?? 2_022);
