export * from "./simulator.js";
