// Pages with nothing but dialogs to open and close.
import { mountDialogs } from "./annotate-keys.js";

mountDialogs();
