mod answer;
mod ask;
mod encode;
mod reply;
