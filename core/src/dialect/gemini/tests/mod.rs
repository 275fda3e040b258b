mod ask;
mod encode;
mod reply;
