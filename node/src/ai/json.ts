/** An object of a request, in the names of the wire. */
export type Json = Record<string, unknown>;
