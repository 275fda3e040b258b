mod encode;
mod reply;
