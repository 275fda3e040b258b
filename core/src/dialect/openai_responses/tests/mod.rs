mod ask;
mod classify;
mod encode;
mod reply;
